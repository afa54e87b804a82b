// The page's whole script: two ways to send a file, one way to tell what came of it.
const at = (id) => document.getElementById(id);
const TUS = { "Tus-Resumable": "1.0.0" };
const RETRIES = 3;

let cancelled = false;
let underway = null; // the request that is sending the file now

at("token").value = decodeURIComponent(location.hash.slice(1));
at("file").addEventListener("change", () => {
  at("name").value = at("file").files[0]?.name.replace(/\.[^.]*$/, "") ?? "";
});
at("cancel").addEventListener("click", () => {
  cancelled = true;
  underway?.abort();
});
at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  begin();
  try {
    const file = at("file").files[0];
    const way = new FormData(at("form")).get("way");
    show(await (way === "tus" ? sendResumable(file) : sendForm(file)));
  } catch (error) {
    at("status").textContent = "";
    at("refusal").textContent = error.message;
  } finally {
    at("send").disabled = false;
    at("cancel").disabled = true;
  }
});

function begin() {
  cancelled = false;
  at("send").disabled = true;
  at("cancel").disabled = false;
  at("refusal").textContent = "";
  at("result").hidden = true;
  at("events").replaceChildren();
  progress(0);
  at("status").textContent = "Uploading …";
}

// One form. The file comes last: everything before it is known when its first byte arrives.
async function sendForm(file) {
  const form = new FormData();
  form.append("publicId", at("name").value);
  form.append("file", file);
  const answer = await send("POST", "/upload", {}, form, (loaded, total) => progress(loaded / total));
  return JSON.parse(answer.responseText);
}

// tus 1.0: create, then append from where the server is, again after each interruption.
async function sendResumable(file) {
  const metadata = { filename: file.name, filetype: file.type, publicId: at("name").value };
  const created = await send("POST", "/files", {
    ...TUS,
    "Upload-Length": file.size,
    "Upload-Metadata": Object.entries(metadata).map(([name, text]) => `${name} ${base64(text)}`).join(","),
  });
  const url = created.getResponseHeader("Location");
  try {
    let answer = created;
    for (let failed = 0; !answer.getResponseHeader("Upload-Result"); ) {
      if (cancelled) throw aborted();
      const offset = answer === created ? 0 : Number(answer.getResponseHeader("Upload-Offset"));
      try {
        answer = await send(
          "PATCH",
          url,
          { ...TUS, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" },
          file.slice(offset),
          (loaded) => progress((offset + loaded) / file.size),
        );
      } catch (error) {
        if (error.aborted || error.status || ++failed > RETRIES) throw error;
        answer = await send("HEAD", url, TUS);
      }
    }
    return JSON.parse(decodeURIComponent(answer.getResponseHeader("Upload-Result")));
  } catch (error) {
    if (error.aborted) await send("DELETE", url, TUS);
    throw error;
  }
}

function send(method, url, headers, body, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("Authorization", `Bearer ${at("token").value.trim()}`);
    for (const [name, text] of Object.entries(headers)) request.setRequestHeader(name, text);
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => (request.status < 300 ? resolve(request) : reject(refusal(request)));
    request.onerror = () => reject(new Error("The connection was lost. Please try again."));
    request.onabort = () => reject(aborted());
    // Only what carries the file can be broken off: an answer that is missed would leave its upload open.
    underway = onProgress ? request : null;
    request.send(body);
  });
}

function aborted() {
  return Object.assign(new Error("Upload cancelled."), { aborted: true });
}

function refusal(request) {
  let detail = "The upload did not succeed.";
  try {
    detail = JSON.parse(request.responseText).detail;
  } catch {
    // Not every answer has a body; then there is only the general sentence.
  }
  return Object.assign(new Error(detail), { status: request.status });
}

function progress(share) {
  const percent = Math.round(share * 100);
  at("progress").value = percent;
  at("percent").textContent = `${percent} %`;
}

function show(outcome) {
  progress(1);
  const left = outcome.remaining === null ? "" : ` Uploads left with this link: ${outcome.remaining}.`;
  at("status").textContent = outcome.state === "done" ? `Uploaded.${left}` : "Received; it is being confirmed.";
  const path = `/images/${encodeURIComponent(outcome.publicId)}`;
  at("link").href = path;
  at("link").textContent = outcome.publicId;
  at("picture").hidden = !outcome.contentType.startsWith("image/");
  if (!at("picture").hidden) at("picture").src = path;
  at("result").hidden = false;
  waitForEvents(outcome.uploadId);
}

// Asks once a second for half a minute; a notification usually comes at once.
async function waitForEvents(uploadId) {
  for (let asked = 0; asked < 30; asked++) {
    const { events } = await (await fetch(`/events/${uploadId}`)).json();
    if (events.length > 0) {
      at("events").replaceChildren(
        ...events.map((event) => {
          const item = document.createElement("li");
          item.textContent = `${event.type} at ${event.timestamp}`;
          return item;
        }),
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
