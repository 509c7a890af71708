/** One step of some actor, and the state that it leads to. */
export interface Step<S> {
  readonly by: string;
  readonly does: string;
  readonly to: S;
}

/** A system of which every state can be named and every next step listed. */
export interface Model<S> {
  readonly start: S;
  readonly keyOf: (state: S) => string;
  readonly stepsFrom: (state: S) => readonly Step<S>[];
  /** What is wrong with a state, in words. */
  readonly harmIn: (state: S) => string | undefined;
  /** Whether everybody has come to an end. */
  readonly isEnd: (state: S) => boolean;
}

export interface Explored<S> {
  readonly states: readonly S[];
  /** Of the first state that is wrong: what, and the shortest way there. */
  readonly harm?: { readonly what: string; readonly way: readonly string[] };
  /** The way to a state from which no end can be reached. */
  readonly stuck?: readonly string[];
  readonly ends: readonly S[];
}

interface Visited<S> {
  readonly state: S;
  readonly from: number;
  readonly by: string;
  readonly does: string;
  /** Indexes of the states one step before. */
  readonly before: number[];
}

/** Every reachable state, breadth first, so that what is found is the shortest way to it. */
export function explore<S>({ start, keyOf, stepsFrom, harmIn, isEnd }: Model<S>): Explored<S> {
  const indexes = new Map([[keyOf(start), 0]]);
  const visited: Visited<S>[] = [{ state: start, from: -1, by: "", does: "", before: [] }];
  const states = () => visited.map(({ state }) => state);
  const ends: number[] = [];
  for (let index = 0; index < visited.length; index += 1) {
    const { state } = visited[index] as Visited<S>;
    const what = harmIn(state);
    if (what !== undefined) return { states: states(), harm: { what, way: wayTo(visited, index) }, ends: [] };
    if (isEnd(state)) ends.push(index);
    for (const { by, does, to } of stepsFrom(state)) {
      const key = keyOf(to);
      const known = indexes.get(key);
      if (known !== undefined) {
        visited[known]?.before.push(index);
        continue;
      }
      indexes.set(key, visited.length);
      visited.push({ state: to, from: index, by, does, before: [index] });
    }
  }
  const stuck = firstStuck(visited, ends);
  return {
    states: states(),
    ...(stuck === undefined ? {} : { stuck: wayTo(visited, stuck) }),
    ends: ends.map((index) => (visited[index] as Visited<S>).state),
  };
}

function wayTo<S>(visited: readonly Visited<S>[], index: number): string[] {
  const way: string[] = [];
  for (let at = visited[index]; at && at.from >= 0; at = visited[at.from]) way.unshift(`${at.by} ${at.does}`);
  return way;
}

/** The first state from which no end can be reached: walks back from all ends. */
function firstStuck<S>(visited: readonly Visited<S>[], ends: readonly number[]): number | undefined {
  const endless = new Uint8Array(visited.length).fill(1);
  const queue = [...ends];
  for (const end of ends) endless[end] = 0;
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    for (const before of visited[index]?.before ?? []) {
      if (endless[before] === 0) continue;
      endless[before] = 0;
      queue.push(before);
    }
  }
  const first = endless.indexOf(1);
  return first < 0 ? undefined : first;
}
