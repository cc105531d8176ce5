/** What the operators' endpoints say; the same shapes as `protocol/operators.py`. */

export interface Act {
  action: string;
  reason: string;
  [field: string]: unknown;
}

export interface Acted {
  seq: number;
  action: string;
  object: string;
  sentence: string;
  secret: string | null;
  undoable: boolean;
}

export interface GoalCheck {
  problems: string[];
  notes: string[];
  spec: { name: string; title: string; brief: string } | null;
  files: Record<string, string>;
  brief_html: string;
}

export interface FolderName {
  name: string;
  title: string;
  of: "library" | "hub";
}

export interface Planned {
  goal: string;
  kind: string;
  parent: string | null;
  experiment: string | null;
  number: number | null;
  title: string;
  why: string;
}

export interface Preview {
  sentence: string;
  cascade: Record<string, number>;
  changes: { what: string; before: string; after: string }[];
  orders_before: Planned[];
  orders_after: Planned[];
}

export interface Entry {
  seq: number;
  at: string;
  operator: string;
  action: string;
  object: string;
  goal: string | null;
  reason: string;
  sentence: string;
  undoable: boolean;
  undone_by: number | null;
}

export type Half = Omit<Act, "reason">;

export interface Waiting {
  waiting: string;
  key: string;
  kind: string;
  object: string;
  channel: string;
  topic: string;
  title: string;
  detail: string;
  by: string;
  since: string;
  approve: Half | null;
  reject: Half | null;
  hide: Half | null;
}

export interface Owner {
  name: string;
  state: string;
  trust: number;
  credit: number;
  per_minute: number | null;
  agents: number;
  runs: number;
  experiments: number;
  created_at: string;
}

export type Health = Record<string, unknown> & { clients: Record<string, number> };
