import { quotedName } from "../../stores/postgres/names.js";
import { read } from "../../stores/postgres/statements.js";

/** The statements of a log. Everything crosses as text, bytes as hexadecimal, as in those of the key pair store. */
export function auditStatements(schema: string) {
  const entries = `${quotedName("schema", schema)}.entries`;
  const columns = { id: "chain::text", sequence: "number::text", document: "encode(line, 'hex')" };
  const inOrder = { order: ["chain", "number"] };
  return {
    /**
     * Adds lines behind each other: the chain, the number of the first line, the lines joined by commas. Says how many of them are
     * stored, whether by this statement or by one before whose answer was lost. The commit waits for the disk even where the server
     * or the role has `synchronous_commit = off`.
     */
    append: `WITH given AS (
        SELECT $1::text::uuid AS chain, $2::text::bigint + place - 1 AS number, decode(hex, 'hex') AS line
        FROM unnest(string_to_array($3, ',')) WITH ORDINALITY AS lines (hex, place)
      ), known AS (
        SELECT 1 FROM ${entries} AS own JOIN given USING (chain, number) WHERE own.line = given.line
      ), written AS (
        INSERT INTO ${entries} (chain, number, line) SELECT chain, number, line FROM given ON CONFLICT DO NOTHING RETURNING 1
      ), durable AS (
        SELECT set_config('synchronous_commit', 'local', true) AS setting
        WHERE current_setting('synchronous_commit') = 'off'
      )
      SELECT ((SELECT count(*) FROM written) + (SELECT count(*) FROM known))::text AS written,
             (SELECT setting FROM durable) AS durable`,
    readFirst: read(columns, entries, "true", { ...inOrder, limit: "$1::text::bigint" }),
    readBehind: read(columns, entries, "(chain, number) > ($2::text::uuid, $3::text::bigint)", {
      ...inOrder,
      limit: "$1::text::bigint",
    }),
  };
}
