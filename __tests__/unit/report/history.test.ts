import { describe, expect, test } from '@jest/globals';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { historyLines } from '../../../src/report/history.ts';
import { template } from '../../helpers/builders.ts';

const revision = (number: number, changeCause?: string, more: Partial<Revision> = {}): Revision => ({
  number,
  name: `agent-${'x'.repeat(number)}`,
  uid: `uid-${number}`,
  hash: 'h',
  changeCause,
  created: new Date(number * 3_600_000).toISOString(),
  images: [`agent:v${number}`, 'sidecar:1'],
  template: template(`agent:v${number}`),
  digest: String(number),
  ...more,
});

describe('historyLines', () => {
  const before = [revision(10, 'deploy\nten'), revision(9)];
  const asOf = 12 * 3_600_000;

  test('are aligned in columns, and name the current revision', () => {
    expect(historyLines({ before, currentBefore: 'agent-xxxxxxxxxx', asOf })).toEqual([
      'REVISION       CONTROLLERREVISION   AGE    CHANGE-CAUSE   IMAGES',
      '10 (current)   agent-xxxxxxxxxx     120m   deploy ten     agent:v10, sidecar:1',
      '9              agent-xxxxxxxxx      3h     <none>         agent:v9, sidecar:1',
    ]);
  });

  test('include the controller, the pods and the good mark if they are known', () => {
    const good = { time: '2026-01-01T00:00:00Z' };
    const history = {
      before: [revision(2), revision(1, undefined, { good, created: undefined })],
      pods: { 'agent-xx': { ready: 1, total: 3 } },
      asOf,
    };
    expect(historyLines(history, { namespace: 'logging', name: 'agent' }).map((line) => line.split(/ {2,}/).slice(2, -2))).toEqual([
      ['CONTROLLER', 'AGE', 'PODS', 'KNOWN-GOOD SINCE'],
      ['DaemonSet/agent', '10h', '1/3'],
      ['DaemonSet/agent', '<unknown>', '0/0', '2026-01-01T00:00:00Z'],
    ]);
  });
});
