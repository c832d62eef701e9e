import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import type { Any } from './support.ts';

/** An operation of a REST API, with the parameters from its path. */
export interface Operation {
  /** The name in the description: `GET /repos/{owner}/{repo}/deployments`. */
  name: string;
  parameters: Record<string, string>;
  /** The operation object of the description. */
  described: Any;
}

/** GitHub's published description of its REST API (OpenAPI 3.0), for github.com or a version of GitHub Enterprise Server. */
export class Description {
  readonly #document: Any;
  readonly #ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false, logger: false });
  readonly #paths: { template: string; pattern: RegExp }[];

  constructor(of: 'api.github.com' | 'ghes-3.19') {
    this.#document = JSON.parse(readFileSync(`node_modules/@octokit/openapi/generated/${of}.json`, 'utf8'));
    formats.default(this.#ajv);
    this.#ajv.addSchema(this.#document, 'description', false, false);
    this.#paths = Object.keys(this.#document.paths).map((template) => ({
      template,
      pattern: new RegExp(`^${template.replace(/[.+]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
    }));
  }

  /** The operation of a request, or undefined. A path without parameters takes precedence over one with parameters. */
  operation(method: string, path: string): Operation | undefined {
    const fitting = this.#paths.filter(
      ({ template, pattern }) => pattern.test(path) && this.#document.paths[template][method.toLowerCase()],
    );
    const found = fitting.sort((a, b) => a.template.split('{').length - b.template.split('{').length)[0];
    if (!found) return undefined;
    const groups = found.pattern.exec(path)?.groups ?? {};
    return {
      name: `${method} ${found.template}`,
      parameters: Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)])),
      described: this.#document.paths[found.template][method.toLowerCase()],
    };
  }

  /** The errors in a request: its parameters, its query and its body. */
  wrongIn({ described, parameters }: Operation, query: URLSearchParams, body: Any): string[] {
    const known: Any[] = (described.parameters ?? []).map((one: Any) => this.#resolve(one));
    const given: [string, string, string][] = [
      ...Object.entries(parameters).map(([name, value]): [string, string, string] => ['path', name, value]),
      ...[...query].map(([name, value]): [string, string, string] => ['query', name, value]),
    ];
    const wrong = given.flatMap(([where, name, text]) => {
      const parameter = known.find((one) => one.in === where && one.name === name);
      if (!parameter) return [`there is no ${where} parameter ${name}`];
      const value = parameter.schema.type === 'integer' && /^\d+$/.test(text) ? Number(text) : text;
      const [, most] = /\(max (\d+)\)/.exec(parameter.description ?? '') ?? [];
      return [
        ...this.#check(parameter.schema, value, name),
        ...(most !== undefined && Number(value) > Number(most) ? [`${name} is above ${most}`] : []),
      ];
    });
    const missing = known.filter((one) => one.required && !given.some(([where, name]) => where === one.in && name === one.name));
    return [...wrong, ...missing.map(({ name }) => `parameter ${name} is missing`), ...this.#wrongInBody(described.requestBody, body)];
  }

  #wrongInBody(requestBody: Any, body: Any): string[] {
    if (!requestBody) return body === undefined ? [] : ['it has a body'];
    const { schema } = this.#resolve(requestBody).content['application/json'];
    return [
      ...this.#check(schema, body, 'body'),
      ...Object.entries<Any>(body ?? {}).flatMap(([name, value]) => {
        const property = schema.properties[name];
        if (!property) return [`body has ${name}, which there is not`];
        const [, most] = /maximum .*length is (\d+) characters/.exec(property.description ?? '') ?? [];
        return most !== undefined && value.length > Number(most) ? [`${name} is longer than ${most} characters`] : [];
      }),
    ];
  }

  /** The errors in an answer. The description omits most error answers; those must have the basic error schema. */
  wrongInAnswer({ described }: Operation, status: number, body: Any): string[] {
    const response = described.responses[status];
    const schema = response ? this.#resolve(response).content?.['application/json']?.schema : undefined;
    if (status < 300 && !schema) return [`there is no answer ${status}`];
    return this.#check(schema ?? { $ref: '#/components/schemas/basic-error' }, body, 'answer');
  }

  /** An example from the description, by its name in `components`. */
  example(name: string): Any {
    return structuredClone(this.#document.components.examples[name].value);
  }

  #resolve(one: Any): Any {
    if (one.$ref === undefined) return one;
    return this.#resolve(
      one.$ref
        .slice(2)
        .split('/')
        .reduce((at: Any, key: string) => at[key], this.#document),
    );
  }

  #check(schema: Any, value: Any, what: string): string[] {
    const validate = this.#validator(schema);
    validate(value);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${what}${instancePath} ${message}`);
  }

  /** A schema of the document, with its references resolved against the document. */
  #validator(schema: Any): ValidateFunction {
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"description#/'));
    return this.#ajv.compile(absolute);
  }
}
