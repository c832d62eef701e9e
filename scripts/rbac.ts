/** Makes `rbac/` from `src/cluster/permissions.ts`: Roles that can be applied as they are. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Part, PERMISSIONS, type Permission } from '../src/cluster/permissions.ts';

const FOLDER = join(import.meta.dirname, '..', 'rbac');

/** The manifests by their file names. */
export function manifests(): Record<string, string> {
  return {
    'role.yaml': role('Everything that is of use in a namespace; with nodes.yaml, nothing is left out.', []),
    'role-without-marks.yaml': role('Versions are not marked as good for "to-revision: last-good".', ['marks']),
    'role-without-diagnosis.yaml': role('Why a rollout does not go on is not told.', ['diagnosis']),
    'role-minimal.yaml': role('Rolls back and waits, and no more.', ['marks', 'diagnosis']),
    'nodes.yaml': manifest(
      'ClusterRole',
      'rollback-daemonset-nodes',
      'Nodes are in no namespace.',
      PERMISSIONS.filter(({ everywhere }) => everywhere),
    ),
  };
}

function role(about: string, without: Part[]): string {
  const permissions = PERMISSIONS.filter(({ everywhere, part }) => !everywhere && !(part && without.includes(part)));
  return manifest('Role', 'rollback-daemonset', about, permissions);
}

function manifest(kind: string, name: string, about: string, permissions: Permission[]): string {
  const lines = [
    `# ${about} Made by "npm run rbac".`,
    'apiVersion: rbac.authorization.k8s.io/v1',
    `kind: ${kind}`,
    'metadata:',
    `  name: ${name}`,
    'rules:',
  ];
  for (const [resource, rules] of Map.groupBy(permissions, (permission) => permission.resource)) {
    lines.push(`  - apiGroups: [${rules[0]?.apiGroup || '""'}]`, `    resources: [${resource}]`, '    verbs:');
    lines.push(...rules.map(({ verb, purpose }) => `      - ${verb} # ${purpose}`));
  }
  return `${lines.join('\n')}\n`;
}

if (import.meta.main) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  for (const [name, text] of Object.entries(manifests())) writeFileSync(join(FOLDER, name), text);
}
