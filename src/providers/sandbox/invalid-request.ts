/** The request does not fit the operation; answered as 400 in the format's error shape. */
export class InvalidRequest extends Error {
  /** The member at fault, such as `messages.0.content`; null = not one member. */
  readonly param: string | null

  constructor(message: string, param: string | null = null) {
    super(message)
    this.param = param
  }
}
