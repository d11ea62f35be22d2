"use strict";
// The slider shows the report that was in force at a moment. Without this
// script all reports stand below each other.
(function () {
  var bar = document.getElementById("scrubber");
  if (!bar) return;
  var slider = document.getElementById("scrub");
  var now = document.getElementById("now");
  var cursor = document.getElementById("cursor");
  var picture = document.getElementById("picture");
  var sheets = Array.prototype.slice.call(document.querySelectorAll(".sheet"));
  if (sheets.length === 0) return;
  var from = Number(document.body.dataset.from);
  var to = Number(document.body.dataset.to);
  // The picture may begin before the recording does.
  var drawn = { from: picture ? Number(picture.dataset.from) : from, to: picture ? Number(picture.dataset.to) : to };
  var first = function (s) { return Math.max(from, Number(s.dataset.from)); };

  // at returns the place of the sheet in force, -1 where none is in the file.
  function at(moment) {
    for (var i = sheets.length - 1; i >= 0; i--) {
      if (first(sheets[i]) <= moment) {
        var ended = Number(sheets[i].dataset.to) < moment;
        return ended && i + 1 < sheets.length ? -1 : i;
      }
    }
    return -1;
  }

  function show() {
    var moment = from + Number(slider.value);
    var chosen = at(moment);
    sheets.forEach(function (s, i) { s.hidden = i !== chosen; });
    var says = new Date(moment).toISOString().replace(/\.\d+Z$/, "Z") + ", " +
      (chosen < 0 ? "no report of this moment is in this file" : sheets[chosen].dataset.says);
    now.textContent = says;
    slider.setAttribute("aria-valuetext", says);
    if (cursor) {
      var x = 100 * (moment - drawn.from) / Math.max(1, drawn.to - drawn.from) + "%";
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.setAttribute("visibility", "visible");
    }
  }

  function go(moment) {
    slider.value = String(Math.max(0, Math.min(to - from, moment - from)));
    show();
  }

  // step goes to where the next verdict begins, or the one before.
  function step(direction) {
    var moment = from + Number(slider.value);
    var starts = sheets.map(first);
    if (direction > 0) {
      var next = starts.filter(function (s) { return s > moment; });
      if (next.length > 0) go(next[0]);
    } else {
      var past = starts.filter(function (s) { return s < moment; });
      if (past.length > 0) go(past[past.length - 1]);
    }
  }

  // The slider knows milliseconds, so that it can stand where a verdict begins;
  // its keys go in steps one can see.
  slider.max = String(to - from);
  var near = Math.max(1, Math.min(1000, (to - from) / 100));
  var keys = { ArrowRight: near, ArrowUp: near, ArrowLeft: -near, ArrowDown: -near, PageUp: 10 * near, PageDown: -10 * near };
  slider.addEventListener("input", show);
  slider.addEventListener("keydown", function (e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    if (keys[e.key]) {
      e.preventDefault();
      go(from + Number(slider.value) + keys[e.key]);
    } else if (e.key === "n" || e.key === "N") {
      step(e.shiftKey ? -1 : 1);
    }
  });
  document.getElementById("earlier").addEventListener("click", function () { step(-1); });
  document.getElementById("later").addEventListener("click", function () { step(1); });
  if (picture) {
    picture.addEventListener("click", function (e) {
      var box = picture.getBoundingClientRect();
      go(drawn.from + (drawn.to - drawn.from) * (e.clientX - box.left) / box.width);
    });
  }
  bar.hidden = false;
  // It opens where it was worst.
  var worst = sheets.findIndex(function (s) { return s.querySelector(".state.bad"); });
  if (worst < 0) worst = sheets.findIndex(function (s) { return s.querySelector(".state.poor"); });
  go(first(sheets[Math.max(0, worst)]));
})();
