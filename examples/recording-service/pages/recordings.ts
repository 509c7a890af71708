import { html } from "hono/html";
import type { RecordingKeyStoreError } from "recording-keystore";
import type { KeyStoreStatus } from "recording-keystore/administration";
import { whyNotPlayed } from "../explain.js";
import { maxRecordingSize, type RecordingEntry } from "../recordings.js";
import type { Visitor } from "../visitor.js";
import { layout, time, type Markup } from "./layout.js";
import { stateBanner } from "./state.js";

/** Records, uploads, and lists. */
export function recordingsPage(
  visitor: Visitor,
  status: KeyStoreStatus,
  recordings: readonly RecordingEntry[],
): Markup {
  const { texts } = visitor;
  return layout(visitor, {
    title: texts.recordings,
    section: "recordings",
    content: html`
      <h1>${texts.recordings}</h1>
      ${stateBanner(visitor, status)} ${status.configured ? newRecording(visitor) : ""}
      <section aria-labelledby="list-title">
        <h2 id="list-title">${texts.list.title}</h2>
        ${recordings.length > 0 ? table(visitor, recordings) : nothing(visitor)}
      </section>
    `,
  });
}

function newRecording({ texts, organization }: Visitor): Markup {
  const { record, upload } = texts;
  const hint = upload.hint(Math.floor(maxRecordingSize / 1_000_000));
  const parts = `/${organization.id}/recordings`;
  return html`<div class="pair">
    <section
      class="card"
      aria-labelledby="record-title"
      data-recorder="${parts}"
      data-texts="${JSON.stringify({ ...record, name: texts.list.call })}"
    >
      <h2 id="record-title">${record.title}</h2>
      <p class="hint">${record.hint}</p>
      <p class="row">
        <button type="button" class="primary record" data-toggle>${record.start}</button>
        <output class="clock" data-clock hidden>0:00</output>
        <meter class="level" data-level min="0" max="1" value="0" aria-label="${record.level}" hidden></meter>
      </p>
      <p class="said" role="status" data-said></p>
    </section>
    <section class="card" aria-labelledby="upload-title">
      <h2 id="upload-title">${upload.title}</h2>
      <form class="upload" data-upload="${parts}" data-failed="${record.failed}">
        <p class="hint" id="upload-hint">${hint}</p>
        <label for="upload-file" class="hidden">${upload.file}</label>
        <p class="row">
          <input
            type="file"
            id="upload-file"
            name="file"
            accept="audio/*,video/*"
            required
            aria-describedby="upload-hint"
          />
          <button>${upload.submit}</button>
        </p>
        <progress max="1" value="0" aria-label="${upload.progress}" hidden></progress>
        <p class="said" role="status" data-said></p>
      </form>
    </section>
  </div>`;
}

function nothing({ texts: { list } }: Visitor): Markup {
  return html`<div class="empty">
    <p>${list.none}</p>
    <p class="hint">${list.noneHint}</p>
  </div>`;
}

function table(visitor: Visitor, recordings: readonly RecordingEntry[]): Markup {
  const { texts, organization, format } = visitor;
  const { list } = texts;
  return html`<table role="table">
    <thead role="rowgroup">
      <tr role="row">
        <th role="columnheader" scope="col">${list.name}</th>
        <th role="columnheader" scope="col" class="number">${list.length}</th>
        <th role="columnheader" scope="col" class="number">${list.size}</th>
        <th role="columnheader" scope="col" class="number">${list.keyPair}</th>
        <th role="columnheader" scope="col">${list.key}</th>
        <th role="columnheader" scope="col"><span class="hidden">${list.download}</span></th>
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${recordings.map(
        (one) =>
          html`<tr role="row">
            <th role="rowheader" scope="row">
              <a href="/${organization.id}/recordings/${one.id}">${one.name}</a>
              <span class="hint">${time(visitor, one.madeAt)}</span>
            </th>
            <td role="cell" class="number" data-label="${list.length}">${format.length(one.seconds)}</td>
            <td role="cell" class="number" data-label="${list.size}">${format.size(one.size)}</td>
            <td role="cell" class="number" data-label="${list.keyPair}">${one.keyPairNumber ?? "–"}</td>
            <td role="cell" data-label="${list.key}">${keyBadge(visitor, one)}</td>
            <td role="cell" class="actions">
              <a
                href="/${organization.id}/recordings/${one.id}/content?download"
                aria-label="${list.downloadOf(one.name)}"
                >${list.download}</a
              >
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function keyBadge({ texts: { list } }: Visitor, { usedLastKnownKey, keyAtRisk }: RecordingEntry): Markup {
  if (keyAtRisk) return html`<span class="badge danger">${list.keyAtRisk}</span>`;
  if (usedLastKnownKey) return html`<span class="badge warning">${list.lastKnownKey}</span>`;
  return html`<span class="badge good">${list.confirmedKey}</span>`;
}

/** Plays one recording, or says why it can't be played now. */
export function recordingPage(
  visitor: Visitor,
  one: RecordingEntry,
  { status, obstacle }: { status: KeyStoreStatus; obstacle: RecordingKeyStoreError | undefined },
): Markup {
  const { texts, organization, format } = visitor;
  const { recording, list } = texts;
  const here = `/${organization.id}/recordings/${one.id}`;
  const fact = (name: string, value: Markup | string | number) =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value}</dd>
    </div>`;
  return layout(visitor, {
    title: one.name,
    section: "recordings",
    content: html`
      <p class="back"><a href="/${organization.id}/recordings">${recording.back}</a></p>
      <h1>${one.name}</h1>
      ${obstacle ? stateBanner(visitor, status) : ""}
      <section class="card" aria-label="${recording.player}" id="player" ${obstacle ? html`data-live` : ""}>
        ${obstacle ? notNow(visitor, obstacle, here) : player(visitor, one, here)}
      </section>
      <section aria-labelledby="details-title">
        <h2 id="details-title">${recording.details}</h2>
        <dl class="facts card">
          ${fact(recording.made, time(visitor, one.madeAt))} ${fact(list.length, format.length(one.seconds))}
          ${fact(recording.type, one.contentType)} ${fact(list.size, format.size(one.size))}
          ${fact(recording.encryptedSize, format.size(one.encryptedSize))}
          ${fact(list.keyPair, one.keyPairNumber ?? "–")} ${fact(list.key, keyBadge(visitor, one))}
        </dl>
        <p class="row">
          <a class="button" href="${here}/content?download">${list.download}</a>
          <button type="button" popovertarget="remove">${recording.remove}…</button>
        </p>
        <form id="remove" class="dialog" popover method="post" action="${here}/delete" aria-labelledby="remove-title">
          <h3 id="remove-title">${recording.removeTitle}</h3>
          <p>${recording.removeText}</p>
          <p class="row">
            <button class="danger">${recording.remove}</button>
            <button type="button" popovertarget="remove" popovertargetaction="hide">${recording.cancel}</button>
          </p>
        </form>
      </section>
    `,
  });
}

function player({ texts: { recording } }: Visitor, { name, contentType }: RecordingEntry, here: string): Markup {
  const source = `${here}/content`;
  const label = recording.play(name);
  const unplayable = recording.cannotDecode;
  return html`${
      contentType.startsWith("video/")
        ? html`<video
            controls
            preload="metadata"
            src="${source}"
            aria-label="${label}"
            data-player="${unplayable}"
          ></video>`
        : html`<audio
            controls
            preload="metadata"
            src="${source}"
            aria-label="${label}"
            data-player="${unplayable}"
          ></audio>`
    }
    <p class="said" role="status" data-said></p>
    <p class="hint">${recording.seekHint}</p>`;
}

function notNow({ texts }: Visitor, obstacle: RecordingKeyStoreError, here: string): Markup {
  const { recording } = texts;
  return html`<p class="headline">${recording.cannotPlay}</p>
    <p>${whyNotPlayed(obstacle, texts)}</p>
    <p class="row"><a class="button" href="${here}">${recording.tryAgain}</a></p>
    <p class="hint">${recording.checking}</p>`;
}
