import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { eventually, type Fleet } from './support.ts';

/** A mutating admission webhook that puts the annotation `stamped` into each template of a namespace, until that is removed. */
export async function stampTemplates(fleet: Fleet): Promise<void> {
  const { directory, caFile } = fleet.testbed;
  const [cert, key] = ['serving.crt', 'serving.key'].map((name) => readFileSync(join(directory, name)));
  const operations = [{ op: 'add', path: '/spec/template/metadata/annotations', value: { stamped: 'yes' } }];
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  const server = createServer({ cert, key }, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { uid } = (JSON.parse(body) as { request: { uid: string } }).request;
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid, allowed: true, patchType: 'JSONPatch', patch },
      }),
    );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  const name = fleet.namespace;
  const webhook = {
    name: 'stamp.example.com',
    clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: readFileSync(caFile).toString('base64') },
    rules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['daemonsets'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  await fleet.kubectl(
    ['create', '-f', '-'],
    JSON.stringify({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name },
      webhooks: [webhook],
    }),
  );
  fleet.onRemove(async () => {
    await fleet.kubectl(['delete', 'mutatingwebhookconfiguration', name]);
    server.close();
    server.closeAllConnections();
  });
  await eventually(
    'the webhook',
    () => fleet.kubectl(['set', 'image', 'daemonset/agent', 'agent=registry.example/agent:x', '--dry-run=server', '-o', 'json']),
    (said) => said.includes('stamped'),
  );
}
