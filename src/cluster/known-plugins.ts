/**
 * The credential plugins that are allowed by default, as the login commands of their vendors write them into a kubeconfig. Anything else is
 * left out on purpose, because a kubeconfig can come from someone who is not trusted with this job: what runs another program, reads or
 * writes other files, sends credentials to another address, or disables the verification of certificates.
 */

import { NOT_SHOWN } from './quote.ts';

/** The arguments and variables of a program that a kubeconfig is allowed to choose. */
export interface KnownPlugin {
  /** The sub-command. Flags are allowed before, inside and after it. */
  subcommand: readonly string[];
  /** How many arguments that are not flags can follow. */
  operands: number;
  /** The flags with a value, and what the value must match. */
  options: Readonly<Record<string, RegExp>>;
  /** The flags without a value. */
  switches: readonly string[];
  /** Their values must be words. */
  variables: readonly string[];
}

/** A name, an ARN, an address: no `file://` or `https://`, which some programs read, and no `..`. */
export const WORD = /^(?!-)(?!.*(?::\/\/|\.\.))[\w.:/@+=,~ -]+$/;
const TEXT = /^(?!-)[\x20-\x7e]+$/;
const MICROSOFT = /^https:\/\/login\.(microsoftonline\.(com|us)|partner\.microsoftonline\.cn|chinacloudapi\.cn)\/?$/;

const AWS_VARIABLES = [
  'AWS_PROFILE',
  'AWS_DEFAULT_PROFILE',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_STS_REGIONAL_ENDPOINTS',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_SDK_LOAD_CONFIG',
  'AWS_USE_FIPS_ENDPOINT',
  'AWS_USE_DUALSTACK_ENDPOINT',
];

/** kubelogin of int128, which is also installed as kubectl-oidc_login. Not: --browser-command, --token-cache-dir, --insecure-skip-tls-verify. */
const OIDC_LOGIN = {
  options: {
    ...each('--oidc-issuer-url --oidc-client-id --oidc-client-secret --oidc-redirect-url --oidc-extra-scope --oidc-pkce-method', TEXT),
    ...each('--oidc-auth-request-extra-params --grant-type --username --password --authentication-timeout-sec', TEXT),
    ...each('--certificate-authority --certificate-authority-data', TEXT),
  },
  switches: ['--oidc-use-pkce', '--oidc-use-access-token', '--force-refresh', '--skip-open-browser'],
};

export const KNOWN_PLUGINS: Readonly<Record<string, KnownPlugin>> = {
  // aws eks update-kubeconfig, eksctl. Not: --endpoint-url, --ca-bundle, --no-verify-ssl.
  aws: {
    subcommand: ['eks', 'get-token'],
    operands: 0,
    options: { ...each('--region --profile --cluster-name --cluster-id --role --role-arn', WORD), '--output': /^json$/ },
    switches: [],
    variables: AWS_VARIABLES,
  },
  // eksctl. Not: --config, --cache.
  'aws-iam-authenticator': {
    subcommand: ['token'],
    operands: 0,
    options: each('-i --cluster-id -r --role -s --session-name -e --external-id --region', WORD),
    switches: ['--forward-session-name'],
    variables: AWS_VARIABLES,
  },
  // gcloud container clusters get-credentials
  'gke-gcloud-auth-plugin': {
    subcommand: [],
    operands: 0,
    options: each('--impersonate_service_account --project --location --cluster', WORD),
    switches: ['--use_application_default_credentials', '--use_edge_cloud'],
    variables: ['CLOUDSDK_CORE_ACCOUNT', 'CLOUDSDK_CORE_PROJECT', 'CLOUDSDK_ACTIVE_CONFIG_NAME'],
  },
  // az aks get-credentials, kubelogin convert-kubeconfig. Not: --cache-dir, --token-cache-dir, --federated-token-file,
  // --disable-instance-discovery.
  kubelogin: {
    subcommand: ['get-token'],
    operands: 0,
    options: {
      ...OIDC_LOGIN.options,
      ...each('--login -l --server-id --client-id --tenant-id -t --environment -e --identity-resource-id --login-hint --timeout', WORD),
      ...each('--client-secret --client-certificate --client-certificate-password --pop-claims --redirect-url', TEXT),
      '--authority-host': MICROSOFT,
    },
    switches: [...OIDC_LOGIN.switches, '--legacy', '--pop-enabled', '--disable-environment-override', '--use-azurerm-env-vars'],
    variables: ['AAD_LOGIN_METHOD', 'AAD_SERVICE_PRINCIPAL_CLIENT_ID', 'AZURE_CLIENT_ID', 'AZURE_TENANT_ID'],
  },
  'kubectl-oidc_login': { subcommand: ['get-token'], operands: 0, ...OIDC_LOGIN, variables: [] },
  // doctl kubernetes cluster kubeconfig save. Not: --api-url, --config, --access-token.
  doctl: {
    subcommand: ['kubernetes', 'cluster', 'kubeconfig', 'exec-credential'],
    operands: 1,
    options: { '--context': WORD, '--version': /^v1(beta1)?$/ },
    switches: [],
    variables: ['DIGITALOCEAN_CONTEXT'],
  },
  // oci ce cluster create-kubeconfig. Not: --endpoint, --config-file, --cli-rc-file, --cert-bundle.
  oci: {
    subcommand: ['ce', 'cluster', 'generate-token'],
    operands: 0,
    options: each('--cluster-id --region --profile --auth --token-version', WORD),
    switches: [],
    variables: ['OCI_CLI_PROFILE', 'OCI_CLI_AUTH', 'OCI_CLI_REGION', 'OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING', 'SUPPRESS_LABEL_WARNING'],
  },
  // tsh kube login. Not: --insecure, TELEPORT_HOME.
  tsh: {
    subcommand: ['kube', 'credentials'],
    operands: 0,
    options: each('--kube-cluster --teleport-cluster --proxy', WORD),
    switches: [],
    variables: [],
  },
};

/** Variables with values that are not masked. */
export const NOT_SECRET_VARIABLES: ReadonlySet<string> = new Set(Object.values(KNOWN_PLUGINS).flatMap(({ variables }) => variables));

/**
 * What differs from the arguments that the login command of a plugin writes; undefined if nothing does. Flags are matched exactly, although
 * some programs also accept a part of their name. The text names a flag, but no value.
 */
export function unknownArgument(plugin: KnownPlugin, args: readonly string[]): string | undefined {
  const words: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (!argument.startsWith('-')) {
      const expected = plugin.subcommand[words.length];
      const isOperand = words.length < plugin.subcommand.length + plugin.operands && WORD.test(argument);
      if (expected === undefined ? !isOperand : argument !== expected)
        return expected === undefined ? 'another argument' : `another sub-command than "${plugin.subcommand.join(' ')}"`;
      words.push(argument);
      continue;
    }
    const [, flag = '', value] = /^(-[^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (plugin.switches.includes(flag) && (value ?? 'true') === 'true') continue;
    const pattern = Object.hasOwn(plugin.options, flag) ? plugin.options[flag] : undefined;
    if (value === undefined) index += 1;
    if (!pattern?.test(value ?? args[index] ?? ''))
      return `the flag ${/^--?[A-Za-z][\w-]{0,60}$/.test(flag) ? flag : NOT_SHOWN}${pattern ? ' with this value' : ''}`;
  }
  return words.length < plugin.subcommand.length ? `another sub-command than "${plugin.subcommand.join(' ')}"` : undefined;
}

function each(names: string, pattern: RegExp): Record<string, RegExp> {
  return Object.fromEntries(names.split(' ').map((name) => [name, pattern]));
}
