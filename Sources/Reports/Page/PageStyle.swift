/// What the page looks like, on screens wide and narrow and on paper.
enum PageStyle {
    /// The style sheet.
    static let sheet: String =
        ChartStyle.theme + ChartStyle.sheet + """

            *{box-sizing:border-box}
            body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
            header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
            h1{font-size:1.7rem;line-height:1.2;margin:1.2rem 0 .3rem}
            .chapter{font-size:1.4rem;margin:2.2rem 0 .4rem;border-top:3px solid var(--ink);padding-top:.6rem}
            .section{font-size:1.15rem;margin:1.8rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
            .part{font-size:.95rem;margin:.6rem 0 .3rem}
            p{max-width:46rem;margin:.4rem 0}
            a{color:var(--heat)}
            .skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.3rem}
            nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.4rem 0}
            .soft,figcaption,footer{color:var(--soft)}
            .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:.8rem;padding:0;\
            margin:.6rem 0;list-style:none}
            .tiles li{background:var(--panel);border:1px solid var(--rule);border-left:4px solid var(--heat);\
            border-radius:4px;padding:.6rem .8rem;display:flex;flex-direction:column}
            .tiles strong{font-size:1.8rem;line-height:1.25}.tiles .title{font-weight:600;font-size:.9rem}
            .tiles .detail{color:var(--soft);font-size:.85rem}.tiles .alarming{border-left-color:var(--alarm)}
            .flags{background:var(--alarm-paper);border:1px solid var(--alarm);border-radius:4px;padding:.2rem .9rem;\
            margin:.8rem 0;font-size:.92rem}
            .flags .part{color:var(--alarm)}.flags ul{margin:.3rem 0;padding-left:1.1rem}.unflagged{color:var(--good)}
            .figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));gap:1rem 1.4rem}
            figure{margin:0;min-width:0;max-width:40rem}
            figcaption{font-size:.85rem;margin:.2rem 0}
            details{margin:.3rem 0}summary{cursor:pointer;color:var(--soft);font-size:.85rem}
            .fold{border:1px solid var(--rule);border-radius:4px;padding:.2rem .8rem}.fold>summary{font-size:1rem;\
            color:var(--ink);padding:.2rem 0}
            .scroll{overflow-x:auto;max-width:100%;margin:.5rem 0}
            table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
            caption{text-align:left;color:var(--soft);padding:.2rem 0}
            th,td{padding:.2rem .6rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
            td{max-width:34rem}th.number,td.number{text-align:right;white-space:nowrap}tbody th{font-weight:500;white-space:nowrap}
            thead button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:0;cursor:pointer;\
            text-align:inherit}
            thead button::after{content:"\\2002"}[aria-sort=ascending] button::after{content:"\\2191"}\
            [aria-sort=descending] button::after{content:"\\2193"}
            pre{background:var(--panel);border:1px solid var(--rule);padding:.5rem;overflow-x:auto;font-size:.8rem;\
            white-space:pre-wrap}
            .examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:.8rem;padding:0;\
            list-style:none}
            .examples li{background:var(--panel);border:1px solid var(--rule);border-radius:4px;padding:.5rem .7rem;\
            font-size:.85rem;min-width:0}
            .examples .images{display:grid;grid-template-columns:repeat(3,1fr);gap:.4rem;margin:.3rem 0}
            .examples figure{text-align:center}.examples figcaption{font-size:.75rem}
            .examples img{width:100%;max-width:8rem;image-rendering:pixelated;border:1px solid var(--rule)}
            img.map{max-width:100%;image-rendering:pixelated}
            .examples .wrong{color:var(--alarm)}.examples dl{display:grid;grid-template-columns:auto 1fr;gap:0 .6rem;margin:0}
            .examples dt{color:var(--soft)}.examples dd{margin:0}
            :focus-visible{outline:2px solid var(--heat);outline-offset:2px}
            footer{font-size:.85rem;margin:2rem auto;border-top:1px solid var(--rule);padding-top:.6rem}
            @media print{
            body{font-size:10pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
            nav,.skip,details.values{display:none}header,main,footer{max-width:none;padding:0}
            h2,h3,h4,h5{break-after:avoid}figure,.tiles li,.examples li,tr,.flags{break-inside:avoid}
            .scroll{overflow:visible}table{font-size:7.5pt;overflow-wrap:anywhere}th,td{padding:.1rem .3rem}
            tbody th,th.number,td.number{white-space:normal}thead th,td.number{overflow-wrap:normal}
            .figures{grid-template-columns:1fr 1fr}figure{max-width:none}a{color:inherit}
            }
            """
}
