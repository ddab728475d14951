// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shows what the server sends: for each frame a text about it (JSON) and, in a binary message, its
// PTS again and a JPEG. Each frame that was shown is answered, so that the server keeps our pace.
'use strict';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;
const RATE_MS = 2000; // over which the frame rate is measured
const STALE_MS = 3000; // after which a picture is no longer live

const element = (id) => document.getElementById(id);
const stage = element('stage');
const canvas = element('picture');
const context = canvas.getContext('2d');

let shown = null; // {note, bitmap} in the canvas
let shownTimes = []; // of the last frames, on the clock of performance.now()
let queue = Promise.resolve(); // frames are shown in their order, however long each takes to decode
let connected = false;
let pauseMs = FIRST_PAUSE_MS;

// ---- picture ----

// Steps of the golden angle: no two tracks that follow each other look alike.
function colourOf(object) {
    return object.id === null ? 'hsl(210 15% 75%)' : `hsl(${(object.id * 137.508 + 60) % 360} 90% 62%)`;
}

function textOf(object) {
    const id = object.id === null ? '' : ` #${object.id}`;
    const confidence = object.confidence === null ? '' : ` ${Math.round(object.confidence * 100)}%`;
    return `${object.label}${id}${confidence}`;
}

function drawObject(object, scaleX, scaleY, unit) {
    const x = object.x * scaleX, y = object.y * scaleY;
    const colour = colourOf(object), text = textOf(object), height = 19 * unit;

    context.lineWidth = 2.5 * unit;
    context.strokeStyle = colour;
    context.setLineDash(object.predicted ? [7 * unit, 4 * unit] : []);
    context.strokeRect(x, y, object.w * scaleX, object.h * scaleY);

    context.font = `600 ${13 * unit}px system-ui, sans-serif`;
    context.textBaseline = 'middle';
    const width = context.measureText(text).width + 10 * unit;
    const left = Math.max(0, Math.min(x - 1.25 * unit, canvas.width - width));
    const top = y >= height ? y - height : y; // above the box, or inside where there is no room
    context.fillStyle = colour;
    context.fillRect(left, top, width, height);
    context.fillStyle = '#0d1117';
    context.fillText(text, left + 5 * unit, top + height / 2 + unit);
}

// In the pixels of the screen, however small the video is: lines and texts stay sharp.
function draw() {
    const {note, bitmap} = shown;
    const unit = window.devicePixelRatio;
    const style = getComputedStyle(stage);
    const roomX = stage.clientWidth - 2 * parseFloat(style.paddingLeft);
    const roomY = stage.clientHeight - 2 * parseFloat(style.paddingTop);
    const width = Math.max(1, Math.min(roomX, roomY * note.aspect)), height = width / note.aspect;
    const pixelsX = Math.round(width * unit), pixelsY = Math.max(1, Math.round(height * unit));

    if (canvas.width !== pixelsX || canvas.height !== pixelsY) {
        canvas.width = pixelsX;
        canvas.height = pixelsY;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
    }
    context.drawImage(bitmap, 0, 0, pixelsX, pixelsY);
    for (const object of note.objects) {
        drawObject(object, pixelsX / note.width, pixelsY / note.height, unit);
    }
}

// ---- texts ----

function setText(id, text) {
    if (element(id).textContent !== text) {
        element(id).textContent = text;
    }
}

function setState(state, text) {
    element('state').dataset.state = state;
    setText('state', text);
    canvas.classList.toggle('stale', state !== 'live');
}

function listObjects(objects) {
    const list = element('objects');
    const wanted = objects.length > 0 ? objects : [{label: 'nothing found', id: null, confidence: null}];

    while (list.children.length > wanted.length) {
        list.lastChild.remove();
    }
    wanted.forEach((object, i) => {
        const item = list.children[i] ?? list.appendChild(document.createElement('li'));
        item.style.setProperty('--colour', object.id === null ? 'var(--edge)' : colourOf(object));
        item.textContent = textOf(object);
    });
}

function describe(note) {
    const seconds = note.pts / 1e9;
    setText('time', `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, '0')}`);
    setText('size', `${note.width}×${note.height}`);
    listObjects(note.objects);
}

// Twice a second, also when nothing arrives.
function checkPace() {
    const now = performance.now();
    const last = shownTimes.at(-1);
    const recent = shownTimes.filter((time) => now - time < RATE_MS);

    setText('rate', recent.length > 1 ? ((recent.length - 1) * 1000 / (last - recent[0])).toFixed(1) : '–');
    if (connected && !document.hidden) {
        if (last === undefined || now - last > STALE_MS) {
            setState('waiting', 'waiting for pictures');
        } else {
            setState('live', 'live');
        }
    }
    shownTimes = recent.length > 0 ? recent : shownTimes.slice(-1);
}

// ---- connection ----

async function show(socket, note, blob) {
    try {
        const bitmap = await createImageBitmap(blob);
        await new Promise(requestAnimationFrame); // a page out of sight waits here, and costs nothing
        shown?.bitmap.close();
        shown = {note, bitmap};
        canvas.hidden = false;
        draw();
        describe(note);
        shownTimes.push(performance.now());
        pauseMs = FIRST_PAUSE_MS;
        if (element('state').dataset.state !== 'live') {
            checkPace();
        }
    } catch (error) {
        console.error(error);
    }
    if (socket.readyState === WebSocket.OPEN) {
        socket.send('shown');
    }
}

function connect() {
    const url = new URL('frames', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    let note = null; // whose picture comes next

    setState('waiting', 'connecting');
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
        connected = true;
    };
    socket.onmessage = ({data}) => {
        if (typeof data === 'string') {
            note = JSON.parse(data);
            return;
        }
        // both sides round alike what a Number cannot hold
        const pts = Number(new DataView(data).getBigUint64(0));
        if (note === null || note.pts !== pts) {
            console.error(`a picture of ${pts} ns, and a text of ${note?.pts} ns`);
            socket.close();
            return;
        }
        const own = note;
        const blob = new Blob([new Uint8Array(data, 8)], {type: 'image/jpeg'});
        queue = queue.then(() => show(socket, own, blob));
    };
    // Half of the pause is random: the pages behind one restarted server do not all come at once.
    socket.onclose = () => {
        const ms = pauseMs * (0.5 + Math.random() / 2);
        connected = false;
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
        setState('lost', `no connection, next attempt in ${Math.ceil(ms / 1000)} s`);
        setTimeout(connect, ms);
    };
}

new ResizeObserver(() => {
    if (shown !== null) {
        draw();
    }
}).observe(stage);
setInterval(checkPace, 500);
connect();
