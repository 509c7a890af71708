import { describe, it } from "vitest";
import { statesFor } from "./hosts.js";
import { record } from "./row.js";
import { rowsOf } from "./rows.js";
import { attacks } from "./toolbox.js";

/*
 * Every move of somebody who may write to the store, met by every kind of host, in every state of KMS (in three where
 * KMS is not asked about what the attacker shows). On each row the host records, KMS comes back, it records again, and
 * each recording is tried with the attacker's keys and the owner's.
 *
 * The one exception: a fresh pod that has neither memory nor `fleetSecret` nor `requireConfirmedKey` may record,
 * flagged, with a pair that nobody has vouched for, while KMS gives no verdict, and until 30 s after KMS is back.
 */
for (const [attack, rows] of rowsOf(attacks, statesFor)) {
  describe(attack.name, () => {
    for (const row of rows)
      it(`gets no recording from ${row.kind.name}, with KMS ${row.state.name}`, () => record(row));
  });
}
