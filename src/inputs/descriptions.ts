/** What each input means. Not in definitions.ts, because a step does not need it: the bundle would grow by nine kilobytes. */
import type { InputName } from './definitions.ts';

export const DESCRIPTIONS: Readonly<
  Record<
    InputName,
    {
      /** In action.yml: at most four sentences, Markdown. */
      description: string;
      /** In the README: one or two lines. */
      reference: string;
    }
  >
> = {
  command: {
    description:
      'What to do: `rollback`; `status`, a gate that waits until every node runs what is deployed; `history`, which lists the revisions; `guard`, which records what runs now, and restores it at the end of the job if the job fails; or `release`, which ends a hold.',
    reference:
      'rollback; status: a gate that waits until every node runs what is deployed; history: lists the revisions; guard: records what runs now, and restores it if the job fails; release: ends a hold',
  },
  daemonset: {
    description:
      'The DaemonSet, as `name`, `namespace/name` or `ds/name`. Separate several by commas or lines. Required unless `selector` is set.',
    reference: 'One or more DaemonSets as name, namespace/name or ds/name, separated by commas or lines. Required unless selector is set',
  },
  selector: {
    description: 'A label selector, as for `kubectl --selector`, instead of names. Fails if nothing matches.',
    reference: 'A label selector instead of names. Fails if nothing matches',
  },
  namespace: {
    description:
      "The namespace of DaemonSets that are given without one. `auto` is the namespace of the kubeconfig's context, else `default`. With `selector`, `*` means all namespaces. Fails if set but empty.",
    reference: "For names without one. auto: that of the context, else default. With selector, '*' means all namespaces",
  },
  kubeconfig: {
    description:
      "A path, the YAML or JSON text of a kubeconfig, or its base64. `auto` uses the files in `$KUBECONFIG`, else `~/.kube/config`; `in-cluster` uses the service account of the runner's pod. Fails if set but empty, so that a missing secret never selects another cluster.",
    reference: 'A path, the text, or its base64. auto: $KUBECONFIG, else ~/.kube/config; in-cluster. Fails if set but empty',
  },
  context: {
    description: 'The context of the kubeconfig. `auto` is its current one. Fails if set but empty.',
    reference: 'The context of the kubeconfig. auto: its current one',
  },
  'to-revision': {
    description:
      'The revision to restore: `previous` (the newest other version), `last-good` (the newest other known-good version), a revision number, or the name or hash of a ControllerRevision. `auto` is `previous`, or `last-good` with `rollback-on-failure`. Fails if set but empty.',
    reference:
      'previous: the newest other version; last-good: the newest other known-good version; a revision number; or the name or hash of a ControllerRevision. auto: previous, or last-good with rollback-on-failure. Fails if set but empty',
  },
  'expected-revision': {
    description:
      'Act only if this revision is current: a number, a name or a hash. If another one is current, nothing is written and the step fails. `any` switches the check off. Fails if set but empty, except with `guard`.',
    reference: 'Act only if this revision is current: a number, a name or a hash. Fails if set but empty (except with guard)',
  },
  'deploy-outcome': {
    description:
      "With `guard`, the outcome of the step that deploys: `steps.ID.outcome` as an expression. If it is `skipped` or empty at the end of the job, this job did not deploy, and nothing is written. `auto` if it is not known: then one change since the record counts as the job's.",
    reference: 'With guard: steps.ID.outcome of the step that deploys. skipped or empty: nothing is written',
  },
  'change-cause': {
    description: 'The change-cause to write to the DaemonSet. The default is that of the restored revision.',
    reference: 'The change-cause to write. Default: that of the restored revision',
  },
  hold: {
    description:
      'Hold the DaemonSet at the version that a rollback restores, until `command: release`: by the same write, and with `change-cause` as the reason. Without `hold`, a rollback of a held DaemonSet is refused. Other tools are denied only in a cluster with policy/hold.yaml.',
    reference: 'Hold the DaemonSet at the version that is restored, until command: release: docs/hold.md',
  },
  revision: {
    description: 'With `history`, the revision to show in full, with its differences from the current one.',
    reference: 'With history: the revision to show in full, with its differences from the current one',
  },
  preflight: {
    description:
      'Before a rollback is written: check that its pods could start (their ConfigMaps, Secrets and volumes exist, and the API server admits such a pod in a dry run). `enforce` refuses if they certainly could not, `warn` only says so, `off` checks nothing. What this account is not allowed to check is skipped.',
    reference: 'Refuse a version whose pods certainly cannot start (enforce), only say so (warn), or do not check (off)',
  },
  wait: {
    description: 'Wait until every node runs the version, has it available, and keeps it running for `stable-for`.',
    reference: 'Wait until every node runs the version, and keeps it running',
  },
  timeout: {
    description: 'The time limit of the whole step, as a Go duration (`90s`, `10m`, `1h30m`) or in seconds.',
    reference: 'Time limit of the step: a Go duration (90s, 1h30m) or seconds',
  },
  'stable-for': {
    description:
      'How long the containers of every pod of the version must have run without a crash before the rollout counts as complete. `auto` is 10 seconds; with a liveness probe, as long as that needs to fail, at most 60 seconds; with a limit of ephemeral storage, 30 seconds. `minReadySeconds` counts towards it, and only the youngest pods are waited for. `0` switches the check off.',
    reference: 'How long containers must run without a crash. auto: 10s, or as long as a liveness probe needs to fail, at most 60s',
  },
  'progress-deadline': {
    description:
      'Stop waiting (`stalled`) if no further node is updated or becomes available for this long, in addition to what the templates announce: startup and readiness probes, `minReadySeconds`, and `terminationGracePeriodSeconds`. `0` waits until the timeout.',
    reference: 'End as stalled if no further node is updated or available for this long, plus announced times. 0: never',
  },
  'fail-fast': {
    description: 'Stop waiting (`failed`) if pods of the version cannot start, for example because the image does not exist.',
    reference: 'End as failed if pods cannot start: no such image, crashes, a missing ConfigMap or volume, no room',
  },
  'failure-grace': {
    description:
      'How long such a pod must be unable to start before it counts. Two crashes each on three nodes, or on all that have the version, count at once.',
    reference: 'How long such a pod must be unable to start before it counts. A crash loop on three nodes counts at once',
  },
  'tolerate-unavailable': {
    description:
      'How many nodes with a problem of their own can stay without an available pod, as a number or a percentage (rounded down). The report names them. All other nodes must run the version, and nothing must have progressed for `failure-grace`.',
    reference: 'Nodes with a problem of their own that can stay without an available pod: a number or a percentage',
  },
  'rollback-on-failure': {
    description:
      'With `status`, roll back to `to-revision` if the rollout failed or stalled because of the version itself, on at least two nodes or on all that were updated so far. The step still fails.',
    reference: 'With status: roll back if the rollout fails or stalls because of the version. The step still fails',
  },
  'rollback-on-timeout': {
    description: 'With `rollback-on-failure`, also roll back if the rollout only ran out of time.',
    reference: 'With rollback-on-failure: also if the rollout only ran out of time',
  },
  'rollback-on-cancel': {
    description:
      'With `guard`, also restore what was recorded if the job was cancelled, for example by its `timeout-minutes`. A newer run may already be deploying.',
    reference: 'With guard: also if the job was cancelled',
  },
  'rollback-if-ambiguous': {
    description: 'With `guard`, also restore what was recorded if it is not certain that this job made the last change.',
    reference: 'With guard: also if it is not certain that this job made the last change',
  },
  'dry-run': {
    description: 'Report what would be done. The API server checks the change, and nothing is written.',
    reference: 'Let the server check the change, and write nothing',
  },
  'show-values': {
    description:
      'Show literal environment values, commands, arguments, headers, annotations, attributes of volumes and queries of probes in templates, and the values of flags and variables in a change-cause of `kubectl --record`. They can contain secrets, so by default only the fact that they changed is shown.',
    reference: 'Show values of templates that can be secret (variables, commands, annotations, …) instead of <changed> or <hidden>',
  },
  'log-lines': {
    description:
      "How many of the last lines of a failing container's log to show, at most 500. With 0, termination messages and the output of probes and hooks are not shown either. `auto` is 20 in a private repository, and none in a public one, where everyone can read them.",
    reference: "Lines of a failing container's log to show. 0: no output of containers. auto: 20 in a private repository, else 0",
  },
  'exec-plugins': {
    description:
      'The credential plugins that the kubeconfig is allowed to start: names on the PATH, or absolute paths, separated by commas or lines. `known` allows those of the cloud vendors, as their login commands write them; `any` allows all, and `none` none.',
    reference: "Credential plugins that the kubeconfig can start. known: the cloud vendors'; any; none; or names or absolute paths",
  },
  'github-token': {
    description:
      'The token for `comment` and `deployment-status`, such as `github.token`. Nothing else uses it. If the job lacks a permission, a warning names it, and the result of the step stays the same.',
    reference: 'The token for the next two inputs, such as github.token. Nothing else uses it',
  },
  comment: {
    description:
      'Comment the result on the pull request of the commit, and update that comment in later runs. Requires `pull-requests: write`. A dry run, `history` and `release` do not comment.',
    reference: 'Comment on the pull request of the commit: docs/github.md',
  },
  'deployment-status': {
    description:
      "Set the status of the run's GitHub deployment to `failure` if a rollback was needed. Requires `deployments: write`. A dry run, `history` and `release` do not set it.",
    reference: "Set the run's GitHub deployment to failure if a rollback was needed: docs/github.md",
  },
  'job-status': {
    description: 'The status of the job at its end, for `guard`. The runner sets it; do not set it yourself.',
    reference: 'For guard: how the job stands at its end. Do not set it',
  },
};
