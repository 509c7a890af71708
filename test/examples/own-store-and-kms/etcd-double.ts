import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

interface Item {
  value: string;
  create: number;
  mod: number;
}
interface Compare {
  key: string;
  target: "CREATE" | "MOD";
  create_revision?: string;
  mod_revision?: string;
}
interface Change {
  request_put?: { key: string; value: string };
  request_delete_range?: { key: string };
}

const decode = (key: string) => Buffer.from(key, "base64").toString("latin1");

/** etcd's JSON gateway as far as the store asks it, in memory: `kv/range`, and `kv/txn` with puts and comparisons. */
export async function startEtcdDouble() {
  const items = new Map<string, Item>();
  let revision = 1;
  const shown = (key: string, { value, create, mod }: Item) => ({
    key: Buffer.from(key, "latin1").toString("base64"),
    create_revision: String(create),
    mod_revision: String(mod),
    // Left out where empty, as etcd does.
    ...(value === "" ? {} : { value }),
  });
  const header = () => ({ revision: String(revision) });

  function range({ key, range_end: end, limit = 0 }: { key: string; range_end?: string; limit?: number }) {
    const [first, last] = [decode(key), end === undefined ? undefined : decode(end)];
    const keys = [...items.keys()].filter((one) => (last === undefined ? one === first : one >= first && one < last));
    keys.sort();
    const found = (limit > 0 ? keys.slice(0, limit) : keys).map((one) => shown(one, items.get(one) as Item));
    return { header: header(), ...(found.length > 0 ? { kvs: found } : {}) };
  }

  function transaction({ compare = [], success = [] }: { compare?: Compare[]; success?: Change[] }) {
    const holds = compare.every(({ key, target, create_revision, mod_revision }) => {
      const item = items.get(decode(key));
      if (target === "CREATE") return String(item?.create ?? 0) === create_revision;
      return String(item?.mod ?? 0) === mod_revision;
    });
    if (!holds) return { header: header() };
    revision += 1;
    for (const { request_put: put, request_delete_range: remove } of success) {
      if (put) {
        const create = items.get(decode(put.key))?.create ?? revision;
        items.set(decode(put.key), { value: put.value, create, mod: revision });
      }
      if (remove) items.delete(decode(remove.key));
    }
    return { header: header(), succeeded: true };
  }

  let away: "hangs" | "resets" | undefined;
  const server = createServer((request, response) => {
    if (away === "resets") request.socket.resetAndDestroy();
    if (away) return;
    void text(request).then((body) => {
      const input = JSON.parse(body) as never;
      response.end(JSON.stringify(request.url === "/v3/kv/range" ? range(input) : transaction(input)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** From now on; `undefined` brings it back. */
    goAway: (how: typeof away) => void (away = how),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
