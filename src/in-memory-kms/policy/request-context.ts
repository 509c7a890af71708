import type { ConditionContext } from "../../key-policy/language/conditions.js";
import { principalArnOf } from "../../key-policy/language/principal-match.js";
import type { EncryptionContext } from "../ciphertext.js";
import type { KmsKey } from "../key.js";
import type { KmsPrincipal } from "../principals.js";

/** What conditions can test of a use of a key. */
export interface RequestFacts {
  caller: KmsPrincipal;
  region: string;
  now: number;
  key?: KmsKey | undefined;
  aliasesOfKey?: () => readonly string[];
  /** Name of the alias that the request used. */
  requestAlias?: string | undefined;
  encryptionContext?: EncryptionContext | undefined;
  /** Condition keys of one operation, such as `kms:DataKeyPairSpec` or `kms:GrantOperations`. */
  conditionKeys?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
}

type Value = string | readonly string[] | undefined;

const contextPrefix = "kms:encryptioncontext:";
const resourceTagPrefix = "aws:resourcetag/";

/** Looks up condition keys, ignoring their letter case. */
export function conditionContext(facts: RequestFacts): ConditionContext {
  const { encryptionContext, key } = facts;
  const own = lowerCaseKeys({ ...facts.caller.conditionKeys, ...facts.conditionKeys });
  const look = (name: string): Value => {
    if (own.has(name)) return own.get(name);
    if (name.startsWith(contextPrefix)) return ignoringCase(encryptionContext ?? {}, name.slice(contextPrefix.length));
    if (name.startsWith(resourceTagPrefix))
      return key && ignoringCase(Object.fromEntries(key.tags), name.slice(resourceTagPrefix.length));
    return readers.get(name)?.(facts);
  };
  return (name) => {
    const value = look(name);
    return typeof value === "string" ? [value] : value;
  };
}

const readers = new Map<string, (facts: RequestFacts) => Value>(
  Object.entries({
    "kms:encryptioncontextkeys": ({ encryptionContext }) => encryptionContext && Object.keys(encryptionContext),
    "kms:calleraccount": ({ caller }) => caller.accountId,
    "kms:requestalias": ({ requestAlias }) => requestAlias,
    "kms:resourcealiases": ({ aliasesOfKey }) => aliasesOfKey?.(),
    "kms:keyspec": ({ key }) => key?.spec,
    "kms:keyusage": ({ key }) => key?.usage,
    "kms:customermasterkeyspec": ({ key }) => key?.spec,
    "kms:customermasterkeyusage": ({ key }) => key?.usage,
    "kms:keyorigin": ({ key }) => key?.origin,
    "kms:multiregion": ({ key }) => key && String(key.multiRegion !== undefined),
    "kms:multiregionkeytype": ({ key }) => key?.multiRegion,
    "aws:principalarn": ({ caller }) => principalArnOf(caller.arn),
    "aws:principalaccount": ({ caller }) => caller.accountId,
    "aws:principaltype": ({ caller }) => principalType(caller.arn),
    "aws:principalisawsservice": () => "false",
    "aws:viaawsservice": () => "false",
    "aws:username": ({ caller }) => /:user\/(?:.*\/)?([^/]+)$/.exec(caller.arn)?.[1],
    "aws:requestedregion": ({ region }) => region,
    "aws:resourceaccount": ({ key }) => key?.accountId,
    "aws:securetransport": () => "true",
    "aws:currenttime": ({ now }) => new Date(now).toISOString(),
    "aws:epochtime": ({ now }) => String(Math.floor(now / 1000)),
  }),
);

function ignoringCase(values: Readonly<Record<string, string>>, lowerCaseName: string): string | undefined {
  return Object.entries(values).find(([name]) => name.toLowerCase() === lowerCaseName)?.[1];
}

function lowerCaseKeys(values: Readonly<Record<string, Value>>): Map<string, Value> {
  return new Map(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name.toLowerCase(), value]])),
  );
}

function principalType(arn: string): string {
  if (arn.endsWith(":root")) return "Account";
  return arn.includes(":assumed-role/") ? "AssumedRole" : "User";
}
