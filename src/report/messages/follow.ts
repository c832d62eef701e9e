import { worstOf } from '../../daemonset/outcome.ts';
import type { Report } from '../report.ts';
import { shellQuote } from './shell.ts';

/**
 * How to continue to watch a rollout whose wait was interrupted; undefined if there is none.
 *
 * @param kubeconfig as it was given; undefined if it was not.
 */
export function followText(
  { command, results, cluster }: Pick<Report, 'command' | 'results' | 'cluster'>,
  kubeconfig: string | undefined,
): string | undefined {
  const { outcome } = worstOf(results);
  if (outcome !== 'cancelled' && outcome !== 'timed-out') return undefined;
  const isFile = kubeconfig !== undefined && kubeconfig !== '' && !/[\n{]/.test(kubeconfig);
  const where = [
    ...(cluster?.context ? ['--context', shellQuote(cluster.context)] : []),
    ...(isFile ? ['--kubeconfig', shellQuote(kubeconfig)] : []),
  ];
  const names = results
    .filter((result) => (result.changed || (command === 'status' && result.counts)) && result.outcome === outcome)
    .map(({ daemonSet: { namespace, name } }) => shellQuote(`${namespace}/${name}`));
  if (names.length === 0) return undefined;
  return `To continue watching: ${['rollback-daemonset', 'status', ...names, ...where].join(' ')}`;
}
