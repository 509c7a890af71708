import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A way to a server on which its answers can be held up. */
export class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held: (() => void)[] | undefined;
  #reopenAt = 0;

  static async to(port: number): Promise<Link> {
    const link = new Link(port);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined); // "close" follows
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      near.on("data", (data) => void far.write(data));
      far.on("data", (data) => {
        const pass = () => void near.write(data);
        if (this.#held) this.#held.push(pass);
        else pass();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection and takes no other, as a server that has gone. */
  async cut(): Promise<void> {
    const { port } = this;
    this.#reopenAt = port;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  /** Takes connections again where it took them. */
  async mend(): Promise<void> {
    this.#server.listen(this.#reopenAt, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Holds up every answer from now on. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const pass of held ?? []) pass();
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.cut();
  }
}
