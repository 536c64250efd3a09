/** What a value of any kind is, for a message: `undefined`, `the number 7`, `a Promise`. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the text '${value.slice(0, 40)}'`;
    case 'number':
    case 'bigint':
      return `the number ${value}`;
    case 'function':
      return 'a function';
    case 'object': {
      if (value === null) return 'null';
      // An object may have no prototype.
      const maker = (value as { readonly constructor?: { readonly name?: string } }).constructor;
      const name = maker?.name === undefined || maker.name === '' ? 'Object' : maker.name;
      return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
    }
    default:
      return String(value);
  }
}
