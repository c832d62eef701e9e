import { describe, expect, test } from '@jest/globals';
import { goodText, readGood } from '../../../src/daemonset/good-mark.ts';
import { digestsOf, otherBytes, seenDigests, toMark } from '../../../src/daemonset/image-digests.ts';
import { pod, template } from '../../helpers/builders.ts';

const bytes = (digit: string): string => `sha256:${digit.repeat(64)}`;
const image = 'registry.example/agent:v2';
const runs = (node: string, digest: string): { node: string; digests: ReadonlyMap<string, string> } => ({
  node,
  digests: digestsOf(pod({ containerStatuses: [{ name: 'agent', imageID: `registry.example/agent@${digest}` }] })),
});
const seen = (...pods: [node: string, digest: string][]): ReturnType<typeof seenDigests> =>
  seenDigests(
    template(image),
    pods.map(([node, digest]) => runs(node, digest)),
  );

describe('the bytes that run', () => {
  test.each<[string, string | undefined]>([
    [`registry.example/agent@${bytes('1')}`, bytes('1')],
    [`docker-pullable://agent@${bytes('1')}`, bytes('1')],
    [bytes('1'), bytes('1')],
    ['', undefined],
    ['registry.example/agent:v2', undefined],
    ['agent@sha256:short', undefined],
  ])('as a runtime reports them: %s', (imageID, digest) => {
    const all = digestsOf(pod({ containerStatuses: [{ name: 'agent', imageID }] }));
    expect(all).toEqual(new Map(digest === undefined ? [] : [['agent', digest]]));
  });

  test('are the same on every node, and as before', () => {
    const same = seen(['a', bytes('1')], ['b', bytes('1')]);
    expect(otherBytes(same)).toEqual([]);
    expect(otherBytes(same, { [image]: bytes('1') })).toEqual([]);
    expect(otherBytes(same, { 'registry.example/other:v1': bytes('2') })).toEqual([]);
  });

  test('differ from those that were known to be good', () => {
    expect(otherBytes(seen(['a', bytes('2')]), { [image]: bytes('1') })).toEqual([
      { image, before: bytes('1'), seen: [{ digest: bytes('2'), nodes: ['a'] }] },
    ]);
  });

  test('differ between nodes', () => {
    expect(otherBytes(seen(['b', bytes('1')], ['a', bytes('1')], ['c', bytes('2')]))).toEqual([
      {
        image,
        before: undefined,
        seen: [
          { digest: bytes('1'), nodes: ['a', 'b'] },
          { digest: bytes('2'), nodes: ['c'] },
        ],
      },
    ]);
  });

  test('of containers that the template does not have do not count', () => {
    expect(seenDigests(template(image), [{ node: 'a', digests: new Map([['mesh', bytes('1')]]) }])).toEqual(new Map());
  });

  test('are kept in the good mark, and other text there is ignored', () => {
    const text = goodText('agent-1', { time: '2026-01-01T00:00:00.000Z' }, toMark(seen(['a', bytes('1')])));
    const read = (value: string): ReturnType<typeof readGood> =>
      readGood({ name: 'agent-1', annotations: { 'rollback-daemonset/good': value } });
    expect(read(text)).toEqual({ time: '2026-01-01T00:00:00.000Z', images: { [image]: bytes('1') } });
    for (const images of ['x', [], { [image]: 7 }, { [image]: 'sha256:short' }, { [image]: { a: 1 } }])
      expect(read(JSON.stringify({ ...JSON.parse(text), images }))).toEqual({ time: '2026-01-01T00:00:00.000Z' });
  });
});
