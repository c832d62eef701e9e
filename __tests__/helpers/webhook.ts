import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Any, eventually, type Fleet, servingCertificate } from './support.ts';

interface Review {
  request: { uid: string; dryRun?: boolean; object?: Any; oldObject?: Any };
}

const DAEMONSET_UPDATES = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['daemonsets'] };
const NEW_PODS = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };

/** Adds an admission webhook for requests in a namespace until that is removed. If `answer` returns undefined, it never answers. */
async function admit(
  fleet: Fleet,
  kind: 'Mutating' | 'Validating',
  answer: (review: Review) => object | undefined,
  rule: object = DAEMONSET_UPDATES,
): Promise<void> {
  const { testbed } = fleet;
  const server = createServer(servingCertificate(testbed), async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const review = JSON.parse(body) as Review;
    const said = answer(review);
    if (!said) return;
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: review.request.uid, ...said } }),
    );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  const name = fleet.namespace;
  const webhook = {
    name: 'fleet.example.com',
    clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: readFileSync(testbed.caFile).toString('base64') },
    rules: [rule],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
    sideEffects: 'None',
    timeoutSeconds: 1,
    admissionReviewVersions: ['v1'],
  };
  await fleet.kubectl(
    ['create', '-f', '-'],
    JSON.stringify({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: `${kind}WebhookConfiguration`,
      metadata: { name },
      webhooks: [webhook],
    }),
  );
  fleet.onRemove(async () => {
    await fleet.kubectl(['delete', `${kind.toLowerCase()}webhookconfiguration`, name]);
    server.close();
    server.closeAllConnections();
  });
}

/** The answer that allows a request with changes, a JSON patch. */
function patched(operations: object[]): object {
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') };
}

/** Changes each pod that is created in a namespace, by a JSON patch. */
export async function changePods(fleet: Fleet, operationsFor: (pod: Any) => object[]): Promise<void> {
  const answer = ({ request: { object } }: Review): object => {
    return patched([...operationsFor(object), { op: 'add', path: '/metadata/labels/admitted', value: 'yes' }]);
  };
  await admit(fleet, 'Mutating', answer, NEW_PODS);
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'probe', namespace: fleet.namespace, labels: { a: 'b' } },
    spec: { containers: [{ name: 'agent', image: 'x', env: [{ name: 'A', value: 'b' }] }] },
  };
  await eventually(
    'the webhook',
    () => fleet.kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], JSON.stringify(pod)),
    (said) => said.includes('"admitted"'),
  );
}

/** Adds the annotation `stamped` to each template in a namespace, in every update anew. */
export async function stampTemplates(fleet: Fleet, stamp = (): string => 'yes'): Promise<void> {
  await admit(fleet, 'Mutating', ({ request: { object } }) => {
    const value = { ...object.spec.template.metadata.annotations, stamped: stamp() };
    return patched([{ op: 'add', path: '/spec/template/metadata/annotations', value }]);
  });
  await eventually(
    'the webhook',
    () => fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:x', '--dry-run=server', '-o', 'json']),
    (said) => said.includes('stamped'),
  );
}

/** Keeps the template of a DaemonSet in each write, and not in dry runs. */
export async function keepTemplate(fleet: Fleet): Promise<void> {
  await admitUpdates(fleet, 'Mutating', ({ request: { dryRun = false, oldObject } }) =>
    dryRun ? { allowed: true } : patched([{ op: 'replace', path: '/spec/template', value: oldObject.spec.template }]),
  );
}

/** Removes an annotation of a DaemonSet from each update. */
export async function dropAnnotation(fleet: Fleet, key: string): Promise<void> {
  await admitUpdates(fleet, 'Mutating', ({ request: { object } }) =>
    key in (object.metadata.annotations ?? {})
      ? patched([{ op: 'remove', path: `/metadata/annotations/${key.replaceAll('/', '~1')}` }])
      : { allowed: true },
  );
}

/**
 * Blocks the action's updates in a namespace, by a denial or by not answering; either the dry runs or the real writes.
 * Updates of the controllers use the subresource status and are not affected.
 */
export async function obstruct(fleet: Fleet, how: 'deny' | 'time-out', what: 'dry-run' | 'patch'): Promise<void> {
  await admitUpdates(fleet, 'Validating', ({ request: { dryRun = false } }) => {
    if (dryRun !== (what === 'dry-run')) return { allowed: true };
    return how === 'deny' ? { allowed: false, status: { message: 'not today' } } : undefined;
  });
}

/** Adds an admission webhook for the updates of DaemonSets, and waits until it is asked. */
async function admitUpdates(fleet: Fleet, kind: 'Mutating' | 'Validating', answer: (review: Review) => object | undefined): Promise<void> {
  let asked = false;
  await admit(fleet, kind, (review) => {
    asked = true;
    return answer(review);
  });
  await eventually(
    'the webhook',
    async () => {
      await fleet.kubectl(['label', 'daemonset/agent', `asked=${Date.now()}`, '--overwrite', '--dry-run=server']).catch(() => {});
      return asked;
    },
    (seen) => seen,
  );
}
