/** Every operator's action and list as a form, read from the hub's own description of its API. */

export interface Schema {
  type?: string;
  const?: string;
  enum?: string[];
  anyOf?: Schema[];
  default?: unknown;
  description?: string;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
}

interface Route {
  description?: string;
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: { discriminator: { mapping: Record<string, string> } } }> };
}

export interface Api {
  paths: Record<string, { get?: Route; post?: Route }>;
  components: { schemas: Record<string, Schema> };
}

export interface Field {
  name: string;
  kind: "text" | "long" | "number" | "yes" | "choice" | "json";
  choices: string[];
  required: boolean;
  start: string | boolean;
}

export interface Form {
  name: string;
  says: string;
  fields: Field[];
}

const ACTIONS = "/v1/ops/actions";
const LISTS = "/v1/ops/";
const LONG = 500;

/** What may be done. */
export function acts(api: Api): Form[] {
  const mapping = api.paths[ACTIONS]?.post?.requestBody?.content["application/json"]?.schema.discriminator.mapping ?? {};
  return Object.entries(mapping).map(([name, at]) => {
    const schema = api.components.schemas[at.split("/").pop() ?? ""] ?? {};
    const names = Object.keys(schema.properties ?? {}).filter((field) => field !== "action" && field !== "reason");
    return { name, says: schema.description ?? "", fields: names.map((field) => one(field, schema.properties?.[field] ?? {}, schema.required?.includes(field) ?? false)) };
  });
}

/** What may be looked at. */
export function lists(api: Api): Form[] {
  return Object.entries(api.paths)
    .filter(([path, route]) => path.startsWith(LISTS) && route.get !== undefined && !path.includes("."))
    .map(([path, route]) => ({ name: path.slice(LISTS.length), says: route.get?.description ?? "", fields: (route.get?.parameters ?? []).map((each) => one(each.name, each.schema, each.required ?? false)) }));
}

function one(name: string, said: Schema, required: boolean): Field {
  const schema = said.anyOf?.find((each) => each.type !== "null") ?? said;
  const start = said.default ?? (schema.type === "boolean" ? false : schema.enum?.[0]) ?? "";
  return { name, kind: kind(schema), choices: schema.enum ?? [], required, start: typeof start === "boolean" ? start : String(start) };
}

function kind(schema: Schema): Field["kind"] {
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "yes";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type !== "string") return "json";
  return (schema.maxLength ?? LONG) > LONG ? "long" : "text";
}

export type Values = Record<string, string | boolean>;

/** The values of a fresh form. */
export function fresh(form: Form): Values {
  return Object.fromEntries(form.fields.map((field) => [field.name, field.start]));
}

/** What a form says, or nothing while something required is missing or is no JSON. */
export function filled(form: Form, values: Values): Record<string, unknown> | undefined {
  const said: Record<string, unknown> = {};
  for (const { name, kind, required } of form.fields) {
    const value = values[name] ?? "";
    if (value === "") {
      if (required) return undefined;
      continue;
    }
    try {
      said[name] = kind === "number" ? Number(value) : kind === "json" ? JSON.parse(String(value)) : value;
    } catch {
      return undefined;
    }
  }
  return said;
}

/** The address of a list: its blanks filled in, the rest as a query. */
export function address(form: Form, said: Record<string, unknown>): string {
  const rest = new URLSearchParams();
  let path = form.name;
  for (const [name, value] of Object.entries(said)) {
    const blank = `{${name}}`;
    if (path.includes(blank)) path = path.replace(blank, encodeURIComponent(String(value)));
    else rest.set(name, String(value));
  }
  return `${LISTS}${path}${rest.size > 0 ? `?${rest}` : ""}`;
}
