/** The hub's wire models by their names, out of its OpenAPI document: a changed protocol breaks the check. */
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Activity = Schemas["Activity"];
export type Agent = Schemas["Agent"];
export type Agents = Schemas["Agents"];
export type Channel = Schemas["Channel"];
export type Curve = Schemas["Curve"];
export type Contribution = Required<Schemas["Contribution"]>;
export type Diff = Schemas["Diff"];
export type Effort = Schemas["Effort"];
export type Experiment = Schemas["Experiment"];
export type Experiments = Schemas["Experiments"];
export type FileDiff = Schemas["FileDiff"];
export type Found = Required<Schemas["Found"]>;
export type Goal = Schemas["Goal"];
export type GoalCard = Schemas["GoalCard"];
export type Goals = Schemas["Goals"];
export type Hunk = Schemas["Hunk"];
export type Improvement = Schemas["Improvement"];
export type Lease = Schemas["Lease"];
export type Overview = Schemas["Overview"];
export type Post = Schemas["Post"];
export type PostPreview = Required<Schemas["PostPreview"]>;
export type Posts = Schemas["Posts"];
export type Run = Schemas["Run"];
export type Title = Schemas["Title"];
export type Topics = Schemas["Topics"];
