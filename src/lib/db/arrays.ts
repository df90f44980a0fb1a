/**
 * A column of whole numbers as PostgreSQL writes an array of them, for a parameter of that type: the
 * driver would escape each as if it were any text, which takes longer than all else it does.
 */
export function wholeNumbers<Row>(rows: readonly Row[], of: (row: Row) => bigint | number): string {
  return `{${rows.map(of).join()}}`
}
