import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { grantOperations, type Grant } from "./grant.js";
import { count, listOf, oneOf, optional, text, textMap } from "./snapshot-fields.js";

export interface KmsGrantSnapshot {
  readonly id: string;
  readonly tokens: readonly string[];
  readonly name?: string;
  readonly createdAt: number;
  readonly granteePrincipal: string;
  readonly retiringPrincipal?: string;
  readonly issuingAccount: string;
  readonly operations: readonly string[];
  readonly constraints?: {
    readonly subset?: Readonly<Record<string, string>>;
    readonly equals?: Readonly<Record<string, string>>;
  };
}

const grantFields = {
  id: true,
  tokens: true,
  name: true,
  createdAt: true,
  granteePrincipal: true,
  retiringPrincipal: true,
  issuingAccount: true,
  operations: true,
  constraints: true,
} as const;

export function grantFrom(given: unknown, path: string): Grant {
  const json = knownOptions(given as Grant, grantFields, path);
  const at = (name: string) => `${path}.${name}`;
  const texts = (value: unknown, name: string) => optional(value, (known) => text(known, at(name)));
  const constraints = optional(json.constraints, (value) =>
    knownOptions(value as NonNullable<Grant["constraints"]>, { subset: true, equals: true }, at("constraints")),
  );
  const context = (name: "subset" | "equals") =>
    optional(constraints?.[name], (value) => textMap(value, at(`constraints.${name}`)));
  return defined({
    id: text(json.id, at("id")),
    tokens: listOf(json.tokens, at("tokens"), text),
    name: texts(json.name, "name"),
    createdAt: count(json.createdAt, at("createdAt")),
    granteePrincipal: text(json.granteePrincipal, at("granteePrincipal")),
    retiringPrincipal: texts(json.retiringPrincipal, "retiringPrincipal"),
    issuingAccount: text(json.issuingAccount, at("issuingAccount")),
    operations: listOf(json.operations, at("operations"), (name, place) => oneOf(name, grantOperations, place)),
    constraints: constraints && defined({ subset: context("subset"), equals: context("equals") }),
  });
}
