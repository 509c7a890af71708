export interface Alias {
  readonly arn: string;
  readonly name: string;
  readonly accountId: string;
  readonly region: string;
  keyId: string;
  readonly createdAt: number;
  updatedAt: number;
}
