import { answered } from "./fault-groups.js";
import { fault, losesNoneUnder, type Away } from "./loses-none.js";

const everybody = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }],
};
const nobody = { ...everybody, Statement: [{ ...everybody.Statement[0], Effect: "Deny" }] };
const day = 86_400_000;

const keyStates: readonly Away[] = [
  {
    kind: "key disabled",
    begin: ({ kms, keyArn }) => kms.disableKey(keyArn),
    end: ({ kms, keyArn }) => kms.enableKey(keyArn),
    keyAtRisk: true,
  },
  {
    kind: "key pending deletion",
    begin: ({ kms, keyArn }) => kms.scheduleKeyDeletion(keyArn),
    end: ({ kms, keyArn }) => {
      kms.cancelKeyDeletion(keyArn);
      kms.enableKey(keyArn);
    },
    keyAtRisk: true,
  },
  {
    kind: "key deleted",
    begin: ({ kms, keyArn, clock }) => {
      kms.scheduleKeyDeletion(keyArn, 7);
      clock.advance(8 * day);
    },
    keyAtRisk: true,
  },
  {
    kind: "key policy that denies all",
    begin: ({ kms, keyArn }) => kms.putKeyPolicy(keyArn, nobody),
    end: ({ kms, keyArn }) => kms.putKeyPolicy(keyArn, everybody),
  },
];

losesNoneUnder([...answered.map(fault), ...keyStates]);
