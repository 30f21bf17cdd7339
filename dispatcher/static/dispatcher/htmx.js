/* A style element written by a script is refused by our Content-Security-Policy. */
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
