import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { changeCauseText } from '../../../../src/report/messages/change-cause.ts';

describe('a change-cause', () => {
  test.each([
    // As kubectl records it: arguments, then flags.
    [
      'kubectl set env daemonset/agent TOKEN=hunter2 LEVEL=a b --record=true',
      'kubectl set env daemonset/agent TOKEN=<hidden> LEVEL=<hidden> --record=true',
    ],
    [
      'kubectl set env ds/agent KEY=x y z=hunter2 --namespace=logging --record=true',
      'kubectl set env ds/agent KEY=<hidden> z=<hidden> --namespace=logging --record=true',
    ],
    [
      'kubectl create secret generic x --from-literal=k=hunter2 hunter3 --record=true',
      'kubectl create secret generic x --from-literal=<hidden> --record=true',
    ],
    ['kubectl patch ds agent --patch={"spec": {"a": "hunter2 -x"}} --record=true', 'kubectl patch ds agent --patch=<hidden> --record=true'],
    [
      'kubectl apply --token=hunter2 --filename=agent.yaml --record=true',
      'kubectl apply --token=<hidden> --filename=agent.yaml --record=true',
    ],
    ['kubectl apply --record=true --password=hunter2 and more', 'kubectl apply --record=true --password=<hidden>'],
    ['kubectl set image ds/agent agent=agent:v2 --record=true', 'kubectl set image ds/agent agent=agent:v2 --record=true'],
    // As people and pipelines write it.
    ['helm upgrade agent --set auth.password=hunter2 --set tag=v2', 'helm upgrade agent --set auth.password=<hidden> --set tag=v2'],
    ['deploy --api-key "hunter2 hunter3" by Ann', 'deploy --api-key <hidden> by Ann'],
    ['deploy -p {"x":"hunter2"} by Ann', 'deploy -p <hidden> by Ann'],
    ['kubectl patch ds agent -p {"x": "hunter2 y"}', 'kubectl patch ds agent -p <hidden>'],
    ["DB_PASSWORD='hunter2 x' deploy", 'DB_PASSWORD=<hidden> deploy'],
    ['from https://ann:hunter2@git.example/x', 'from https://<hidden>@git.example/x'],
    ['release 1.2.3 (#45): tokens are rotated', 'release 1.2.3 (#45): tokens are rotated'],
    ['--token', '--token'],
    ['<none>', '<none>'],
    ['', ''],
  ])('%j is shown as %j', (cause, shown) => {
    expect(changeCauseText(cause, false)).toBe(shown);
    expect(changeCauseText(cause, true)).toBe(cause);
  });

  test.each([' ', '--token ', 'a=', 'a= ', '--token={', '://', 'token', '\n-'])('of 200 kB takes no time: %j', (part) => {
    const started = performance.now();
    for (const around of ['', ' --record=true', 'kubectl set env '])
      for (const text of [`${around}${part.repeat(200_000 / part.length)}`, `${part.repeat(200_000 / part.length)}${around}`])
        expect(changeCauseText(text, false).length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('shows no value of a flag for a secret, whatever the value is', () => {
    const value = fc.string({ minLength: 8, maxLength: 20 }).filter((text) => !/ -|^[-\s]|\s$|=/.test(text) && text.trim().length > 6);
    fc.assert(
      fc.property(value, fc.constantFrom('token', 'password', 'client-secret', 'from-literal', 'patch'), (text, flag) => {
        expect(changeCauseText(`kubectl apply -n a --${flag}=${text} --record=true`, false)).toBe(
          `kubectl apply -n a --${flag}=<hidden> --record=true`,
        );
      }),
    );
  });
});
