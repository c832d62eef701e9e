import type { Owner } from '../../daemonset/owners.ts';
import { shellQuote } from './shell.ts';

/** What a tool that also writes the DaemonSet will do, and what makes the rollback last. */
export function ownerText(owner: Owner): string {
  switch (owner.kind) {
    case 'argo-cd': {
      const application = shellQuote(owner.application);
      return `Argo CD (application ${application}) restores what is in Git when it syncs. To make the rollback last, revert the commit there; to keep it until then: argocd app set ${application} --sync-policy none`;
    }
    case 'flux': {
      const name = shellQuote(owner.name);
      return `Flux (${owner.object} ${name}) restores what is in Git when it reconciles. To make the rollback last, revert the commit there; to keep it until then: flux suspend ${owner.object} ${name} --namespace ${shellQuote(owner.namespace)}`;
    }
    case 'helm': {
      const release = shellQuote(owner.release);
      return `The DaemonSet belongs to the Helm release ${release}, whose history does not include this rollback: the next helm upgrade starts from the version that was left. To make the rollback last: helm rollback ${release} --namespace ${shellQuote(owner.namespace)}`;
    }
    case 'controller': {
      const object = `${shellQuote(owner.object)} ${shellQuote(owner.name)}`;
      return `The DaemonSet is managed by the controller of ${object}, an operator, which restores its own template. To make the rollback last, change the version there: kubectl edit ${object} -n ${shellQuote(owner.namespace)}`;
    }
    case 'addon-manager':
      return 'The addon manager of the cluster (label addonmanager.kubernetes.io/mode: Reconcile) restores its own manifest within about a minute. To make the rollback last, change the manifest of the addon; to keep it until then, set the label to EnsureExists.';
    case 'kubectl-apply':
      return 'The DaemonSet is deployed by kubectl apply. Revert the manifest before the next apply, which would otherwise deploy the version that was left again.';
  }
}
