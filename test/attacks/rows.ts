import { atLength, effort } from "../support/effort.js";
import { hostKinds, type KmsState } from "./hosts.js";
import type { Row } from "./row.js";
import type { Attack } from "./toolbox.js";

/**
 * The rows of a table: each attack by each kind of host in each of its states of KMS. Under `npm test` one in three of them,
 * so that each attack still meets each kind of host, and each state.
 * @param share - one in so many rows
 * @param offset - which of them; from 0 to below `share`, those of one share differ from each other's
 */
export function rowsOf(
  attacks: readonly Attack[],
  statesFor: (attack: Attack) => readonly KmsState[],
  share = atLength(1, 3),
  offset = 0,
): [Attack, Row[]][] {
  return effort(attacks, attacks.slice(0, 3)).map((attack, first) => {
    const rows = hostKinds.flatMap((kind, second) =>
      statesFor(attack).flatMap((state, third) =>
        (first + second + third) % share === offset ? { attack, kind, state } : [],
      ),
    );
    return [attack, rows];
  });
}
