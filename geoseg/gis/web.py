"""A map for the browser: one page with photo, classes and vector layers inside it; pan, zoom, switch, click. No server, no network."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["WebLayer", "web_map_html"]


@dataclass(frozen=True)
class WebLayer:
    """Vector layer: name, (stroke, fill) in CSS, shown at first, and features as (rings or lines in picture pixels, colour or "", attributes)."""

    name: str
    stroke: str
    fill: str
    shown: bool
    kind: str
    features: list[tuple[list[list[list[float]]], str, dict[str, Any]]]


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%TITLE%</title><style>
html,body{margin:0;height:100%;font:14px/1.4 system-ui,sans-serif;overflow:hidden}canvas{display:block;width:100vw;height:100vh;background:#e9e9e9;cursor:grab}
#box{position:fixed;top:10px;left:10px;background:#fffffff0;padding:.6em .9em;border-radius:6px;box-shadow:0 1px 4px #0005;max-height:92vh;overflow:auto}
#box h1{font-size:1em;margin:0 0 .4em}#box label{display:block}#box .sw{display:inline-block;width:.8em;height:.8em;margin:0 .4em;border:1px solid #777;vertical-align:-.05em}
#info{position:fixed;right:10px;top:10px;background:#fffffff5;padding:.6em .9em;border-radius:6px;box-shadow:0 1px 4px #0005;display:none;max-width:22em}
#info td{padding:0 .6em 0 0;vertical-align:top}#scale{position:fixed;left:12px;bottom:12px;border:2px solid #222;border-top:0;padding:0 .3em;font-size:12px;background:#fffc}
</style><body><canvas id="map"></canvas><div id="box"><h1>%TITLE%</h1><div id="layers"></div>
<label>classes <input id="alpha" type="range" min="0" max="100" value="45"></label><div id="legend"></div></div><div id="info"></div><div id="scale"></div>
<script>
const D=%DATA%;
const canvas=document.getElementById('map'),g=canvas.getContext('2d');
const photo=new Image(),classes=new Image();photo.src=D.photo;classes.src=D.classes;
const on={photo:true,classes:false};let k=1,tx=0,ty=0,drag=null,moved=false,chosen=null;
for(const L of D.layers){on[L.name]=L.shown;for(const f of L.features){const p=new Path2D();let b=[1e9,1e9,-1e9,-1e9];
 for(const r of f[0]){r.forEach((q,i)=>{i?p.lineTo(q[0],q[1]):p.moveTo(q[0],q[1]);b=[Math.min(b[0],q[0]),Math.min(b[1],q[1]),Math.max(b[2],q[0]),Math.max(b[3],q[1])]});
  if(L.kind==='Polygon')p.closePath();if(L.kind==='Point')p.arc(r[0][0],r[0][1],3,0,7)}f.path=p;f.box=b}}
const list=document.getElementById('layers');
for(const name of [...D.layers.map(l=>l.name).reverse(),'classes','photo']){const l=document.createElement('label'),c=document.createElement('input');
 c.type='checkbox';c.checked=on[name];c.onchange=()=>{on[name]=c.checked;draw()};l.append(c,' '+name);list.append(l)}
document.getElementById('legend').innerHTML=D.legend.map(e=>`<div><span class="sw" style="background:${e[1]}"></span>${e[0]}</div>`).join('');
const alpha=document.getElementById('alpha');alpha.oninput=draw;
function fit(){const w=innerWidth,h=innerHeight;k=Math.min(w/D.width,h/D.height);tx=(w-D.width*k)/2;ty=(h-D.height*k)/2}
function draw(){const r=devicePixelRatio||1;canvas.width=innerWidth*r;canvas.height=innerHeight*r;g.setTransform(k*r,0,0,k*r,tx*r,ty*r);g.imageSmoothingEnabled=k<2;
 if(on.photo)g.drawImage(photo,0,0,D.width,D.height);
 if(on.classes){g.globalAlpha=alpha.value/100;g.drawImage(classes,0,0,D.width,D.height);g.globalAlpha=1}
 const v=[-tx/k,-ty/k,(innerWidth-tx)/k,(innerHeight-ty)/k];
 for(const L of D.layers)if(on[L.name]){g.lineWidth=(L.kind==='LineString'?2.5:1.4)/k;g.strokeStyle=L.stroke;
  for(const f of L.features){if(f.box[0]>v[2]||f.box[1]>v[3]||f.box[2]<v[0]||f.box[3]<v[1])continue;
   if(L.kind!=='LineString'){g.fillStyle=f[1]||L.fill;g.fill(f.path,'evenodd')}g.stroke(f.path)}}
 if(chosen){g.lineWidth=4/k;g.strokeStyle='#00e5ff';g.stroke(chosen.path)}
 const m=D.metres/k*120,n=Math.pow(10,Math.floor(Math.log10(m))),s=[5,2,1].find(x=>x*n<=m)*n,e=document.getElementById('scale');
 e.style.width=s/D.metres*k+'px';e.textContent=s>=1?s+' m':Math.round(s*100)+' cm'}
function pick(x,y){const X=(x-tx)/k,Y=(y-ty)/k;g.setTransform(1,0,0,1,0,0);chosen=null;
 for(const L of [...D.layers].reverse())if(on[L.name])for(const f of L.features){g.lineWidth=8/k;
  if(L.kind==='LineString'?g.isPointInStroke(f.path,X,Y):g.isPointInPath(f.path,X,Y,'evenodd')){chosen=f;chosen.layer=L.name;break}if(chosen)break}
 const i=document.getElementById('info');i.style.display=chosen?'block':'none';
 if(chosen){i.textContent='';const t=document.createElement('table');for(const [a,b] of [['layer',chosen.layer],...Object.entries(chosen[2])]){const r=t.insertRow();r.insertCell().textContent=a;r.insertCell().textContent=b}i.append(t)}draw()}
canvas.onpointerdown=e=>{drag=[e.clientX,e.clientY];moved=false;canvas.setPointerCapture(e.pointerId)};
canvas.onpointermove=e=>{if(!drag)return;const x=e.clientX-drag[0],y=e.clientY-drag[1];if(Math.abs(x)+Math.abs(y)>3||moved){moved=true;tx+=x;ty+=y;drag=[e.clientX,e.clientY];draw()}};
canvas.onpointerup=e=>{drag=null;if(!moved)pick(e.clientX,e.clientY)};
canvas.onwheel=e=>{e.preventDefault();const z=Math.exp(-e.deltaY*.0015);tx=e.clientX-(e.clientX-tx)*z;ty=e.clientY-(e.clientY-ty)*z;k*=z;draw()};
onresize=draw;photo.onload=classes.onload=draw;fit();draw();
</script></body></html>
"""


def web_map_html(
    title: str,
    photo: bytes,
    classes: bytes,
    size: tuple[int, int],
    metres: float,
    layers: list[WebLayer],
    legend: list[tuple[str, str]],
) -> str:
    """The page.

    Args:
        title: of the page.
        photo: JPEG of the sheets.
        classes: PNG of the classes, transparent where there is nothing.
        size: width and height of both, in pixels: the units of the features.
        metres: on the ground for each of those pixels.
        layers: vector layers from the bottom up.
        legend: (name, CSS colour) of the classes.
    """
    data = {
        "photo": _uri(photo, "image/jpeg"),
        "classes": _uri(classes, "image/png"),
        "width": size[0],
        "height": size[1],
        "metres": metres,
        "legend": [(escape(n), c) for n, c in legend],
        "layers": [vars(layer) for layer in layers],
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return _PAGE.replace("%TITLE%", escape(title)).replace("%DATA%", text)


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
