namespace Kvant.Evaluation.Reports;

/// <summary>The looks of the page. No angle bracket and no ampersand: the text stands the same in HTML and in XML.</summary>
internal static class ReportStyle
{
    /// <summary>Number of colors for marks.</summary>
    public const int Colors = 10;

    public static string Css { get; } = FormattableString.Invariant($$"""

        :root { color-scheme: light dark;
          --page: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --faint: #eceff2; --panel: #f6f8fa;
          --cold: #edf3fb; --on-cold: #000000; --warm: #0b1f4f; --on-warm: #ffffff;
          --m0: #475569; --m1: #1d4ed8; --m2: #be123c; --m3: #15803d; --m4: #7e22ce;
          --m5: #b45309; --m6: #0e7490; --m7: #a21caf; --m8: #4d7c0f; --m9: #9f1239; }
        @media (prefers-color-scheme: dark) { :root {
          --page: #0f1318; --ink: #e6eaef; --soft: #a3adb8; --line: #38414b; --faint: #20272e; --panel: #171d23;
          --cold: #172230; --on-cold: #ffffff; --warm: #9cc9ff; --on-warm: #000000;
          --m0: #a8b3c1; --m1: #6ea8fe; --m2: #fb7185; --m3: #4ade80; --m4: #c084fc;
          --m5: #fbbf24; --m6: #22d3ee; --m7: #f0abfc; --m8: #bef264; --m9: #fda4af; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 1120px; padding: 32px 24px 64px; background: var(--page); color: var(--ink);
          font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
        h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
        h2 { font-size: 18px; margin: 40px 0 8px; }
        p { margin: 8px 0; max-width: 76ch; }
        .facts { color: var(--soft); margin: 0 0 16px; max-width: none; }
        code, pre { font: 12.5px/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
        pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; overflow-x: auto; }
        figure { margin: 16px 0; }
        figcaption, caption { color: var(--soft); text-align: left; font-size: 13.5px; padding: 6px 0; }
        caption div { position: sticky; left: 0; max-width: min(100vw - 48px, 1072px); }
        .scroll { overflow-x: auto; }
        svg { display: block; width: 100%; height: auto; }
        svg.plot { min-width: {{ScatterPlot.LeastWidth}}px; }
        svg.sign { display: inline-block; width: 14px; height: 14px; vertical-align: -2px; } svg.sign.wide { width: 28px; }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 18px; list-style: none; margin: 0 0 6px; padding: 0; font-size: 13.5px; }
        .grid { stroke: var(--line); stroke-width: 1; } .grid.minor { stroke: var(--faint); }
        .axis { stroke: var(--soft); stroke-width: 1; } .leader { stroke: var(--soft); stroke-width: 0.8; }
        .frontier { fill: none; stroke: var(--soft); stroke-width: 1.4; stroke-dasharray: 2 4; }
        .tick, .caption, .label { fill: var(--ink); font-size: {{ScatterPlot.FontSize}}px; } .tick.faint { fill: var(--soft); } .caption { fill: var(--soft); font-size: 13px; }
        .label { paint-order: stroke; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; }
        .mark { stroke: var(--page); stroke-width: 1; }
        .m0 { fill: var(--m0); } .m1 { fill: var(--m1); } .m2 { fill: var(--m2); } .m3 { fill: var(--m3); } .m4 { fill: var(--m4); }
        .m5 { fill: var(--m5); } .m6 { fill: var(--m6); } .m7 { fill: var(--m7); } .m8 { fill: var(--m8); } .m9 { fill: var(--m9); }
        table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; font-size: 13.5px; }
        th { font-weight: 600; text-align: left; }
        tr th:first-child { position: sticky; left: 0; z-index: 1; min-width: 136px; overflow-wrap: anywhere; background: var(--page); }
        .results { width: 100%; }
        .results th, .results td { padding: 6px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
        .results td, .results thead th { text-align: right; } .results tr th:first-child { text-align: left; padding-left: 0; }
        .results td { white-space: nowrap; } .results thead th { color: var(--soft); vertical-align: bottom; }
        .results small { display: block; color: var(--soft); font-size: 11.5px; }
        .results code { display: block; color: var(--soft); font-weight: 400; font-size: 11.5px; }
        .heat th { padding: 3px 12px 3px 0; font-weight: 500; } .heat thead th { text-align: center; padding: 3px; color: var(--soft); }
        .heat thead th:first-child { text-align: left; padding-left: 0; }
        .heat td { min-width: 92px; padding: 4px 8px; text-align: center; border: 1px solid var(--page);
          background: color-mix(in oklab, var(--cold), var(--warm) var(--t)); color: var(--on-cold); }
        .heat td.hot { color: var(--on-warm); } .heat.narrow td { min-width: 14px; padding: 3px 2px; } .heat.narrow thead th { font-size: 10px; }
        .heat td.plain, .legend .plain { color: var(--soft); background: repeating-linear-gradient(45deg, var(--page) 0 4px, var(--faint) 4px 8px); }
        .ramp { display: inline-block; width: 120px; height: 14px; margin: 0 8px; vertical-align: -2px; background: linear-gradient(to right in oklab, var(--cold), var(--warm)); }
        .legend .plain { display: inline-block; width: 28px; height: 14px; margin-right: 8px; border: 1px solid var(--line); vertical-align: -2px; }
        @media (min-width: 900px) { tr th:first-child { min-width: 210px; } }

        """);
}
