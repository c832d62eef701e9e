/** Keeps a test bed running until Ctrl-C: `npm run testbed -- [--nodes N] [--real]`. */
import { existsSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startTestbed } from './testbed.ts';

const { nodes, real } = parseArgs({
  options: { nodes: { type: 'string', default: '10' }, real: { type: 'boolean', default: false } },
}).values;

try {
  const testbed = await startTestbed({ nodes: Number(nodes), realNodes: real ? 1 : 0, log: console.log });
  const agent = relative('.', fileURLToPath(new URL('./agent.yaml', import.meta.url)));
  console.log(`
Kubernetes with ${nodes} simulated nodes${real ? ' and a real one' : ''} is running at ${testbed.server}. Press Ctrl-C to stop it. In another terminal:

  export KUBECONFIG=${testbed.kubeconfig}
  export PATH=${dirname(testbed.kubectl)}:$PATH

  kubectl apply -f ${agent} && kubectl rollout status daemonset/agent
  kubectl set image daemonset/agent agent=registry.example/agent:v2-crash
  kubectl get daemonsets,pods && kubectl logs --prefix --selector app=agent
  kubectl rollout undo daemonset/agent
`);

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, async () => {
      console.log('stopping');
      await testbed.stop();
      process.exit();
    });
  }
  setInterval(() => {
    if (existsSync(testbed.directory)) return;
    console.log('the test bed has stopped');
    process.exit();
  }, 1_000);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
