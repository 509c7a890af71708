import { quotedName } from "./names.js";

/** The statements of a store, each a round trip and a transaction of its own. */
export type Statements = ReturnType<typeof statementsFor>;

/**
 * Everything crosses as text, bytes as hexadecimal, and the server converts it: drivers differ in what they make of `bytea`,
 * `bigint` and `uuid`, and programs may have set parsers of their own.
 */
export function statementsFor(schema: string) {
  const place = quotedName("schema", schema);
  const organization = "decode($1, 'hex')";
  const ofOrganization = `organization_id = ${organization}`;
  const ofPair = `${ofOrganization} AND key_pair_id = $2`;
  const position = ["sequence DESC", `key_pair_id COLLATE "C"`];
  const pairs = { id: "key_pair_id", sequence: "sequence::text", document: "encode(document, 'hex')" };
  const change = { position: "number::text", mark: "mark", organizations: "encode(organizations, 'hex')" };
  const list = (behind: string, limit: string) =>
    read(pairs, `${place}.key_pairs`, `${ofOrganization}${behind}`, {
      order: position,
      limit: `$${limit}::text::bigint`,
    });
  return {
    readHead: read(
      { revision: "revision::text", document: "encode(document, 'hex')" },
      `${place}.heads`,
      ofOrganization,
    ),
    createHead: write(
      `INSERT INTO ${place}.heads (organization_id, revision, document)
       VALUES (${organization}, $2::text::uuid, decode($3, 'hex')) ON CONFLICT DO NOTHING`,
    ),
    swapHead: write(
      `UPDATE ${place}.heads SET revision = $2::text::uuid, document = decode($3, 'hex')
       WHERE ${ofOrganization} AND revision = $4::text::uuid`,
    ),
    lastHeadChange: read(change, `${place}.head_changes`, "true", { order: ["number DESC"], limit: "1" }),
    headChangesFrom: read(change, `${place}.head_changes`, "number >= $1::text::bigint", {
      order: ["number"],
      limit: "$2::text::bigint",
    }),
    addHeadChange: write(
      `INSERT INTO ${place}.head_changes (number, mark, organizations)
       VALUES ($1::text::bigint, $2, decode($3, 'hex')) ON CONFLICT DO NOTHING`,
    ),
    createKeyPair: write(
      `INSERT INTO ${place}.key_pairs (organization_id, key_pair_id, sequence, document)
       VALUES (${organization}, $2, $3::text::bigint, decode($4, 'hex')) ON CONFLICT DO NOTHING`,
    ),
    readKeyPair: read(pairs, `${place}.key_pairs`, ofPair),
    listFirstKeyPairs: list("", "2"),
    // The first condition is where the index is entered, the second leaves out what comes before with the same sequence.
    listKeyPairsBehind: list(
      ` AND sequence <= $3::text::bigint AND (sequence < $3::text::bigint OR key_pair_id > $4 COLLATE "C")`,
      "2",
    ),
    createWrapping: write(
      `INSERT INTO ${place}.wrappings (organization_id, key_pair_id, wrapping_id, document)
       VALUES (${organization}, $2, $3, decode($4, 'hex')) ON CONFLICT DO NOTHING`,
    ),
    listWrappings: read({ id: "wrapping_id", document: "encode(document, 'hex')" }, `${place}.wrappings`, ofPair, {
      order: [`wrapping_id COLLATE "C"`],
    }),
    // One statement, so that no crash leaves the pair without its wrappings.
    removeKeyPair: write(
      `DELETE FROM ${place}.key_pairs WHERE ${ofPair}`,
      `DELETE FROM ${place}.wrappings WHERE ${ofPair}`,
    ),
    readStatus: read({ document: "encode(document, 'hex')" }, `${place}.statuses`, ofOrganization),
    writeStatus: write(
      `INSERT INTO ${place}.statuses (organization_id, document) VALUES (${organization}, decode($2, 'hex'))
       ON CONFLICT (organization_id) DO UPDATE SET document = EXCLUDED.document`,
    ),
  };
}

/**
 * Reads rows, and says in each of them, at least one, whether the server is a replica: behind a pool or a balancer each call
 * may reach another server.
 */
export function read(
  columns: Readonly<Record<string, string>>,
  table: string,
  where: string,
  { order = [], limit }: { readonly order?: readonly string[]; readonly limit?: string } = {},
): string {
  // Named in full: by a bare name SQL takes the column that is given out, which is a text.
  const orderBy = (rows: string) =>
    order.length === 0 ? "" : ` ORDER BY ${order.map((column) => `${rows}.${column}`).join(", ")}`;
  const atMost = limit === undefined ? "" : ` LIMIT ${limit}`;
  const list = Object.entries(columns).map(([name, expression]) => `${expression} AS ${name}`);
  return `SELECT pg_is_in_recovery()::text AS replica, stored::text AS stored, ${list.join(", ")}
    FROM (SELECT 1) AS one
    LEFT JOIN (
      SELECT true AS stored, * FROM ${table} AS own WHERE ${where}${orderBy("own")}${atMost}
    ) AS found ON true${orderBy("found")}`;
}

/** Writes, and says how many rows of the first table it has changed: a driver that has asked nobody can't pass for a success. */
function write(statement: string, alongside?: string): string {
  const second = alongside === undefined ? "" : `, alongside AS (${alongside})`;
  return `WITH written AS (${statement} RETURNING 1)${second} SELECT count(*)::text AS written FROM written`;
}
