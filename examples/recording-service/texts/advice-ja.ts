import type { KmsFailureKind } from "recording-keystore";
import type { KeyPolicyFindingCode } from "recording-keystore/key-policy";

interface Advice {
  readonly summary: string;
  readonly whatToDo: readonly string[];
}

const goesOn = "短い間であれば、何もする必要はありません。録音は最後に確認されたキーで続き、再生も自動的に再開します。";
const health = "長く続く場合は、AWS Health Dashboard を確認してください。";

/** What the library says of a failure of KMS in English, in Japanese; names and addresses stand in AWS's own text beside it. */
export const kmsAdviceJa: Readonly<Record<KmsFailureKind, Advice>> = {
  unreachable: {
    summary: "AWS KMS に接続できませんでした。",
    whatToDo: [
      goesOn,
      "録音サービスから KMS エンドポイントへ HTTPS で接続できるか確認してください（DNS、プロキシ、VPC エンドポイント、セキュリティグループ、TLS 検査）。",
      "そのリージョンの KMS クライアントが録音サービスにあるか確認してください。",
    ],
  },
  timeout: {
    summary: "AWS KMS が時間内に応答しませんでした。",
    whatToDo: [goesOn, "途中のファイアウォールやプロキシが通信を破棄していないか確認してください。", health],
  },
  throttled: {
    summary: "AWS KMS が録音サービスの呼び出しを制限しています。",
    whatToDo: [
      goesOn,
      "録音サービスのアカウントについて、KMS のリクエストクォータの引き上げを AWS に依頼してください。",
    ],
  },
  "service-error": { summary: "AWS KMS で内部エラーが発生しました。", whatToDo: [goesOn, health] },
  credentials: {
    summary: "録音サービス自身の AWS 認証情報がないか、期限切れか、受け付けられていません。",
    whatToDo: [
      "録音サービスのロールまたは認証情報を直してください。組織の KMS キーの問題ではありません。",
      "ホストの時計を確認してください。数分ずれていると署名が拒否されます。",
    ],
  },
  "unexpected-answer": {
    summary: "AWS KMS ではありえない応答がありました。",
    whatToDo: [
      "エンドポイントが AWS KMS そのもので、プロキシやログインページが代わりに応答していないか確認してください。",
    ],
  },
  "access-denied": {
    summary: "録音サービスにこの KMS キーの使用が許可されていません。",
    whatToDo: [
      "キーポリシーで、録音サービスに kms:Encrypt、kms:Decrypt、kms:GenerateDataKey* を、組織 ID の暗号化コンテキストを条件として許可してください。貼り付けるポリシーはこのページにあります。",
      "ARN を確認してください。別のアカウントに対して、KMS は存在しないキーと禁止されたキーを区別しません。",
      "録音サービスのロールの IAM ポリシーでも許可されているか確認してください。",
      "明示的に拒否するステートメントがないか確認してください（サービスコントロールポリシー、アクセス許可の境界など）。",
    ],
  },
  "key-disabled": {
    summary: "KMS キーが無効になっています。",
    whatToDo: [
      "キーを有効にしてください：AWS コンソール、KMS、カスタマー管理型のキー、キーのアクション、有効化。",
      "それまでは録音を再生できません。その間に録音したものも、キーを有効にするまで再生できません。",
    ],
  },
  "key-pending-deletion": {
    summary: "KMS キーの削除が予定されています。",
    whatToDo: [
      "すぐに削除を取り消し、キーを有効にしてください。削除されると、このキーの録音は二度と再生できません。",
      "キーの使用をやめるには、エイリアスを別のキーに向けてからキーを変更し、古いキーは録音がある限り残してください。",
    ],
  },
  "key-unusable": {
    summary: "KMS キーが使用できない状態です。",
    whatToDo: [
      "キーの状態を確認してください。インポート待ち：キーマテリアルを再びインポート。使用不可：カスタムキーストアを再接続。作成中または更新中：待つ。",
    ],
  },
  "key-not-found": {
    summary: "AWS KMS に該当するキーまたはエイリアスがありません。",
    whatToDo: [
      "アカウント、リージョン、エイリアス名を一文字ずつ確認してください。大文字と小文字は区別されます。",
      "マルチリージョンキーの場合は、プライマリまたはレプリカがホームリージョンにあるか確認してください。",
      "エイリアスが削除された場合は、同じキーに作り直してください。キーが削除された場合、その録音は再生できません。",
    ],
  },
  "key-unsupported": {
    summary: "この KMS キーはここでは使えない種類です。",
    whatToDo: [
      "ホームリージョンにあるカスタマー管理型の対称キー（SYMMETRIC_DEFAULT、ENCRYPT_DECRYPT）を使ってください。",
      "カスタムキーストアのキーでは、X25519 キーペアを選んでください。",
    ],
  },
  "invalid-ciphertext": {
    summary: "保存されている内容を AWS KMS で復号できません。",
    whatToDo: [
      "キーペアの記録が変更された可能性があります。バックアップから復元し、保存先に書き込める人を確認してください。",
    ],
  },
  "incorrect-key": {
    summary: "保存されている内容は別のキーで暗号化されています。",
    whatToDo: ["キーペアの記録が変更されています。バックアップから復元し、保存先に書き込める人を確認してください。"],
  },
  "invalid-request": {
    summary: "AWS KMS がリクエストの形式に誤りがあるとしています。",
    whatToDo: ["ARN を確認してください。正しい場合は、応答とリクエスト ID をサービスの提供元に知らせてください。"],
  },
};

const condition = "条件を、組織 ID の暗号化コンテキストに対する StringEquals にしてください。";
const generated = "このページのポリシーのステートメントを使ってください。";

/** What the check of a policy finds, in Japanese; the library's own sentence stands beside it. */
export const policyAdviceJa: Readonly<Record<KeyPolicyFindingCode, readonly [message: string, whatToDo: string]>> = {
  POLICY_MALFORMED: ["KMS が受け付けないポリシーです。", "Version と Statement を含む JSON 全体を貼り付けてください。"],
  POLICY_TOO_LARGE: ["ポリシーが大きすぎます（上限 32,768 バイト）。", "ステートメントをまとめて短くしてください。"],
  SERVICE_NOT_ALLOWED: ["録音サービスに何も許可されていません。", generated],
  PRINCIPAL_WRONG: ["別のプリンシパルを指定しています。", "録音サービスのアカウントを Principal に指定してください。"],
  ACTION_MISSING: ["必要なアクションが許可されていません。", generated],
  ELEMENT_MISSING: ["ステートメントに必要な要素がありません。", generated],
  RESOURCE_WRONG: ["Resource がこのキーを指していません。", 'Resource を "*" にしてください。'],
  CONTEXT_KEY_WRONG: ["暗号化コンテキストのキー名が違います。", condition],
  ORGANIZATION_ID_WRONG: ["組織 ID が違います。大文字と小文字は区別されます。", condition],
  OPERATOR_WRONG: ["条件の演算子が違います。", condition],
  PURPOSE_EXCLUDED: [
    "目的による条件が録音を開くことを妨げています。",
    "recording-keystore:purpose の条件を外してください。",
  ],
  CONDITION_FAILS: ["満たされない条件があります。", "その条件を外してください。"],
  DENIED: [
    "録音サービスを拒否するステートメントがあります。",
    "録音サービスをその対象から除いてください。Deny は常に優先されます。",
  ],
  CANNOT_TELL: ["ポリシーだけでは判断できない条件があります。", "設定のテストで確かめるか、条件を外してください。"],
  MEMBER_TWICE: ["同じ名前が JSON に二度現れます。有効なのは一方だけです。", "一つにまとめてください。"],
  ONE_PRINCIPAL_ONLY: [
    "特定のプリンシパルだけが許可されています。",
    "録音サービスがそのプリンシパルで呼び出すか確認してください。",
  ],
  DESCRIBE_KEY_DENIED: [
    "kms:DescribeKey が拒否されています。録音には影響しません。",
    "暗号化コンテキストの条件なしで別に許可してください。",
  ],
  RSA_KEY_PAIRS_DENIED: [
    "RSA キーペアは作成できません。X25519 は使えます。",
    "RSA が必要なら kms:GenerateDataKey* を許可してください。",
  ],
  NOT_BOUND_TO_ORGANIZATION: ["この組織の録音以外にもキーを使えます。", condition],
  OPEN_TO_EVERYONE: [
    "どの AWS アカウントからもキーを使えます。",
    "録音サービスのアカウントを Principal に指定してください。",
  ],
  MORE_THAN_NEEDED: ["必要以上の権限が許可されています。", generated],
  CAN_OPEN_RECORDINGS: ["暗号化だけを行うワーカーも録音を開けます。", "目的を attestation に限定してください。"],
  OWNER_LOCKED_OUT: [
    "このポリシーを変更できる人がいなくなります。",
    "アカウントの root に kms:* を許可するステートメントを残してください。",
  ],
};
