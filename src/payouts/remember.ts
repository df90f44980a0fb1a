/**
 * Answers a question that was asked before from memory.
 *
 * @param answer gives the same answer to the same question every time
 * @param max answers kept; at it all are forgotten, and computed again when asked for
 */
export function remember<T>(answer: (question: string) => T, max: number): typeof answer {
  const known = new Map<string, { readonly answer: T }>()
  return question => {
    const before = known.get(question)
    if (before) return before.answer
    if (known.size >= max) known.clear()
    const fresh = answer(question)
    known.set(question, { answer: fresh })
    return fresh
  }
}
