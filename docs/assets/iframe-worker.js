// Search without a server: a page that was opened from the file system may start no worker, so what would have been one
// runs in a hidden frame instead. It stands in for `Worker` there, as far as the search needs it.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const source = new URL(url, document.baseURI).href.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.reply = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.frame.srcdoc = `<script>self.postMessage = (data) => frameElement.reply(data);</script><script src="${source}"></script>`;
      this.ready = new Promise((resolve) => this.frame.addEventListener("load", () => resolve(this.frame.contentWindow)));
      document.body.append(this.frame);
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
