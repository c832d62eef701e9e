/** All inputs, in one table. With descriptions.ts, `npm run docs` makes the inputs of action.yml, action-types.yml and the README from it. */
import { KNOWN } from '../cluster/exec-policy.ts';
import { COMMANDS, type Command } from '../daemonset/outcome.ts';
import { PREFLIGHTS } from '../daemonset/preflight.ts';
import {
  type Read,
  readBoolean,
  readCommand,
  readDeployOutcome,
  readDuration,
  readExpected,
  readKubeconfig,
  readLogLines,
  readOrAuto,
  readPlugins,
  readPreflight,
  readRevision,
  readStableFor,
  readTarget,
  readText,
  readTimeout,
  readTolerance,
} from './values.ts';

/** An input. */
export interface Definition<T> {
  /** The text if it is absent. */
  default: string;
  /** For action-types.yml. */
  type: 'string' | 'boolean' | 'lines' | 'commas' | 'enum';
  /** The values of an `enum`. */
  values?: readonly string[];
  read: Read<T>;
  /** The commands that it applies to; without them, all. Given for another command, it is a mistake if it applies to one only, else ignored. */
  commands?: readonly Command[];
  /** What to do instead, if that is a mistake. */
  hint?: string;
  /** The mistake if it is given but empty. Without one, an empty input counts as absent. */
  ifEmpty?: string;
  /** An empty text is a value, and not the default. */
  isEmptyValue?: boolean;
}

function define<T>(definition: Definition<T>): Definition<T> {
  return definition;
}

/** An unset secret, or an output of a step that did not run, arrives as an empty string. */
function unset(otherwise: string): string {
  return `it is given but empty. Is the secret, the variable or the output that it comes from set? ${otherwise}`;
}

/** The commands that wait for a rollout, and can restore a version. */
const ROLLOUTS: readonly Command[] = ['rollback', 'status', 'guard'];
const STATUS: readonly Command[] = ['status'];
const GUARD: readonly Command[] = ['guard'];

export const INPUTS = {
  command: define({
    default: 'rollback',
    type: 'enum',
    values: COMMANDS,
    read: readCommand,
  }),
  daemonset: define({
    default: '',
    type: 'lines',
    read: readText,
  }),
  selector: define({
    default: '',
    type: 'string',
    read: readText,
  }),
  namespace: define({
    default: 'auto',
    type: 'string',
    read: readOrAuto,
    ifEmpty: unset('To use the namespace of the context, use "auto" or omit it.'),
  }),
  kubeconfig: define({
    default: 'auto',
    type: 'string',
    read: readKubeconfig,
    ifEmpty:
      'it is given but empty. Is the secret missing, or not available to this job (a fork, an environment)? To use $KUBECONFIG or ~/.kube/config, omit it.',
  }),
  context: define({
    default: 'auto',
    type: 'string',
    read: readOrAuto,
    ifEmpty: unset('To use the kubeconfig\'s current context, use "auto" or omit it.'),
  }),
  'to-revision': define({
    default: 'auto',
    type: 'string',
    read: readTarget,
    ifEmpty: unset('To restore the newest other version, use "previous"; for the newest known-good one, "last-good".'),
    commands: ['rollback', 'status'],
  }),
  'expected-revision': define({
    default: 'any',
    type: 'string',
    read: readExpected,
    ifEmpty: unset('To accept any current revision, use "any".'),
    commands: ROLLOUTS,
  }),
  'deploy-outcome': define({
    default: 'auto',
    type: 'string',
    read: readDeployOutcome,
    isEmptyValue: true,
    commands: GUARD,
  }),
  'change-cause': define({
    default: '',
    type: 'string',
    read: readText,
    commands: ROLLOUTS,
  }),
  hold: define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: ROLLOUTS,
  }),
  revision: define({
    default: '',
    type: 'string',
    read: readRevision,
    commands: ['history'],
    hint: 'To restore a revision, set to-revision.',
  }),
  preflight: define({
    default: 'enforce',
    type: 'enum',
    values: PREFLIGHTS,
    read: readPreflight,
    commands: [...ROLLOUTS, 'history'],
  }),
  wait: define({
    default: 'true',
    type: 'boolean',
    read: readBoolean,
    commands: ROLLOUTS,
  }),
  timeout: define({
    default: '10m',
    type: 'string',
    read: readTimeout,
  }),
  'stable-for': define({
    default: 'auto',
    type: 'string',
    read: readStableFor,
    commands: ROLLOUTS,
  }),
  'progress-deadline': define({
    default: '5m',
    type: 'string',
    read: readDuration('To wait until the timeout, use 0.'),
    commands: ROLLOUTS,
  }),
  'fail-fast': define({
    default: 'true',
    type: 'boolean',
    read: readBoolean,
    commands: ROLLOUTS,
  }),
  'failure-grace': define({
    default: '30s',
    type: 'string',
    read: readDuration(),
    commands: ROLLOUTS,
  }),
  'tolerate-unavailable': define({
    default: '0',
    type: 'string',
    read: readTolerance,
    commands: ROLLOUTS,
  }),
  'rollback-on-failure': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: STATUS,
  }),
  'rollback-on-timeout': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: STATUS,
  }),
  'rollback-on-cancel': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: GUARD,
  }),
  'rollback-if-ambiguous': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: GUARD,
  }),
  'dry-run': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
    commands: ['rollback', 'guard', 'release'],
  }),
  'show-values': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
  }),
  'log-lines': define({
    default: 'auto',
    type: 'string',
    read: readLogLines,
    commands: ROLLOUTS,
  }),
  'exec-plugins': define({
    default: KNOWN,
    type: 'commas',
    read: readPlugins,
  }),
  'github-token': define({
    default: '',
    type: 'string',
    read: readText,
  }),
  comment: define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
  }),
  'deployment-status': define({
    default: 'false',
    type: 'boolean',
    read: readBoolean,
  }),
  'job-status': define({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of the workflow
    default: '${{ job.status }}',
    type: 'string',
    read: readText,
    commands: GUARD,
  }),
} as const;

export type InputName = keyof typeof INPUTS;

export const INPUT_NAMES = Object.keys(INPUTS) as InputName[];

/** The values of all inputs. */
export type Values = { [Name in InputName]: (typeof INPUTS)[Name] extends Definition<infer T> ? T : never };
