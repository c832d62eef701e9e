import { expect, test } from '@jest/globals';
import { type Denier, denialOf, isCertain } from '../../../src/daemonset/pod-admission.ts';

const forbidden = (text: string): string => `pods "agent-" is forbidden: ${text}`;

test.each<[number, string, Denier, boolean]>([
  [403, forbidden('error looking up service account ns/agent: serviceaccount "agent" not found'), 'service-account', true],
  [403, forbidden('no PriorityClass with name high was found'), 'priority-class', true],
  [403, forbidden('pod rejected: RuntimeClass "gvisor" not found'), 'runtime-class', true],
  [403, forbidden('maximum cpu usage per Container is 1, but limit is 2'), 'limit-range', true],
  [403, forbidden('[minimum memory usage per Pod is 1Gi, but request is 1Mi, x]'), 'limit-range', true],
  [403, forbidden('violates PodSecurity "restricted:latest": privileged (…)'), 'pod-security', true],
  [422, 'Pod "agent-" is invalid: spec.containers[0].image: Required value', 'validation', true],
  [403, forbidden('failed quota: q: must specify limits.cpu for: agent'), 'quota', true],
  [403, forbidden('exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10'), 'quota', false],
  [403, forbidden("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: exceeded quota: q"), 'policy', false],
  [422, forbidden("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no host processes"), 'policy', false],
  [403, 'admission webhook "w.example" denied the request: violates PodSecurity "x"', 'webhook', false],
  [400, 'admission webhook "w.example" denied the request: no PriorityClass with name x was found', 'webhook', false],
  [403, forbidden('something else'), 'unknown', false],
  [404, 'namespaces "x" not found', 'unknown', false],
  [500, 'violates PodSecurity "x"', 'unknown', false],
])('%s %s: %s', (code, message, by, certain) => {
  const denial = denialOf(code, message);
  expect(denial).toEqual({ by, message });
  expect(isCertain(denial)).toBe(certain);
});
