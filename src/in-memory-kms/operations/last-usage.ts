import { keyIdRule, operation } from "../operation.js";
import { defined } from "../../util/defined.js";
import { WireTime } from "../wire.js";

export const lastUsageOperations = [
  operation("GetKeyLastUsage", { KeyId: keyIdRule }, (call, input) => {
    const { keyId, createdAt, lastUsage } = call.key(input.KeyId);
    const KeyLastUsage = defined({
      Operation: lastUsage?.operation,
      Timestamp: lastUsage && new WireTime(lastUsage.at),
      CloudTrailEventId: lastUsage?.eventId,
      KmsRequestId: lastUsage?.requestId,
    });
    return {
      KeyId: keyId,
      KeyLastUsage,
      TrackingStartDate: new WireTime(createdAt),
      KeyCreationDate: new WireTime(createdAt),
    };
  }),
];
