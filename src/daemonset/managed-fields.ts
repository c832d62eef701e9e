import { isObject } from './template.ts';
import type { ManagedFieldsEntry } from './types.ts';

/** Whether a manager of fields has written some of the template. */
export function writesTemplate({ fieldsV1 }: ManagedFieldsEntry): boolean {
  const spec = fieldsV1?.['f:spec'];
  return isObject(spec) && 'f:template' in spec;
}
