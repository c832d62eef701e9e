/** Who denied a pod. */
export type Denier =
  | 'service-account'
  | 'priority-class'
  | 'runtime-class'
  | 'limit-range'
  | 'pod-security'
  | 'validation'
  | 'quota'
  | 'policy'
  | 'webhook'
  | 'unknown';

/** Why the API server did not admit a pod. */
export interface Denial {
  by: Denier;
  /** In the API server's words. */
  message: string;
}

/** The messages of the admission plugins (Kubernetes: plugin/pkg/admission; pod-security-admission; apiserver: validating policies, webhooks). */
const MESSAGES: readonly (readonly [Denier, RegExp])[] = [
  ['policy', /ValidatingAdmissionPolicy '.*?' with binding '.*?' denied request/],
  ['webhook', /admission webhook ".*?" denied the request|GKE Warden/],
  ['service-account', /error looking up service account .*? not found/],
  ['priority-class', /no PriorityClass with name .*? was found/],
  ['runtime-class', /RuntimeClass ".*?" not found/],
  ['pod-security', /violates PodSecurity "/],
  ['quota', /exceeded quota: |failed quota: /],
  [
    'limit-range',
    /(minimum|maximum|max limit to request ratio) .*? usage per (Container|Pod)|max limit to request ratio per (Container|Pod)/,
  ],
];

/**
 * What an answer to a pod means.
 *
 * @param code the HTTP status. @param message the message of the `Status`.
 */
export function denialOf(code: number, message: string): Denial {
  const known = [400, 403, 422].includes(code) ? MESSAGES.find(([, pattern]) => pattern.test(message)) : undefined;
  // A policy denies with 422, too, unless it sets another reason.
  return { by: known?.[0] ?? (code === 422 ? 'validation' : 'unknown'), message };
}

/** Whether a denial also holds for the DaemonSet controller, whatever happens to the pods that run now. */
export function isCertain({ by, message }: Denial): boolean {
  // A quota that must be specified in the template; one that is exceeded depends on the pods that run.
  if (by === 'quota') return /failed quota: /.test(message);
  return !['policy', 'webhook', 'unknown'].includes(by);
}
