import { Api } from '../../testbed/api.ts';
import type { Any, Fleet } from './support.ts';

interface Seen {
  node: string;
  /** When the first run of its container was seen to have ended, the second, and so on. Milliseconds since the epoch. */
  crashes: number[];
}

/** What happens to the pods of one image in the namespace of a fleet, and when. */
export class PodRecorder {
  readonly #api: Api;
  /** By UID. */
  readonly #pods = new Map<string, Seen>();
  #isStopped = false;

  private constructor(api: Api) {
    this.#api = api;
  }

  static start({ testbed, namespace }: Fleet, tag: string): PodRecorder {
    const api = new Api(testbed.directory);
    const recorder = new PodRecorder(api);
    void (async () => {
      // The server may end a watch.
      while (!recorder.#isStopped) {
        try {
          for await (const { object } of api.watch<Any>(`/api/v1/namespaces/${namespace}/pods?watch=true&timeoutSeconds=1800`))
            if (object.spec?.containers[0].image.endsWith(`:${tag}`)) recorder.#see(object);
        } catch (error) {
          if (!recorder.#isStopped) console.error(error);
        }
        await new Promise((next) => setTimeout(next, 100));
      }
    })();
    return recorder;
  }

  #see({ metadata, spec, status }: Any): void {
    if (!spec.nodeName) return;
    const pod: Seen = this.#pods.get(metadata.uid) ?? { node: spec.nodeName, crashes: [] };
    this.#pods.set(metadata.uid, pod);
    const [container = {}] = (status.containerStatuses ?? []) as Any[];
    const { restartCount = 0, state = {}, lastState = {} } = container;
    const ended = restartCount + (state.terminated || (lastState.terminated && !state.running) ? 1 : 0);
    while (pod.crashes.length < ended) pod.crashes.push(Date.now());
  }

  /** The nodes that have received the image so far. */
  get nodes(): number {
    return new Set([...this.#pods.values()].map(({ node }) => node)).size;
  }

  /** When that many pods had crashed that many times. Infinite if that was not seen. */
  crashed(times: number, pods: number): number {
    const at = [...this.#pods.values()].map(({ crashes }) => crashes[times - 1] ?? Infinity).sort((a, b) => a - b);
    return at[pods - 1] ?? Infinity;
  }

  stop(): void {
    this.#isStopped = true;
    this.#api.close();
  }
}
