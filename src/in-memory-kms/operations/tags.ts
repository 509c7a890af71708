import { keyIdRule, limitRule, markerRule, operation } from "../operation.js";
import { page } from "../paging.js";
import { requestTagKeys, requireOwnTags, tagEntries } from "../tags.js";

export const tagOperations = [
  operation("TagResource", { KeyId: keyIdRule, Tags: { type: "tag-list", required: true } }, (call, input) => {
    const conditionKeys = requestTagKeys(input.Tags.map(({ TagKey, TagValue }) => [TagKey, TagValue]));
    const key = call.key(input.KeyId, { state: "not-pending-deletion", conditionKeys });
    for (const [name, value] of tagEntries(input.Tags, key.tags)) key.tags.set(name, value);
    return undefined;
  }),

  operation(
    "UntagResource",
    { KeyId: keyIdRule, TagKeys: { type: "string-list", required: true, item: { min: 1, max: 128 } } },
    (call, input) => {
      const key = call.key(input.KeyId, {
        state: "not-pending-deletion",
        conditionKeys: { "aws:TagKeys": input.TagKeys },
      });
      requireOwnTags(input.TagKeys);
      for (const name of input.TagKeys) key.tags.delete(name);
      return undefined;
    },
  ),

  operation("ListResourceTags", { KeyId: keyIdRule, Limit: limitRule, Marker: markerRule }, (call, input) => {
    const key = call.key(input.KeyId);
    const tags = [...key.tags].sort(([a], [b]) => (a < b ? -1 : 1));
    return page("Tags", tags, input, {
      id: ([name]) => name,
      show: ([TagKey, TagValue]) => ({ TagKey, TagValue }),
      defaultLimit: 50,
      maxLimit: 50,
    });
  }),
];
