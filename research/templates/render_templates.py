"""Renders chat templates by Python's jinja2, set up as transformers sets it up.

Each line of standard input is a JSON object: template (its source), variables, and now (a local time in ISO's form).
Each line of standard output is the answer to it: {"text": ...} or {"error": ...}.
"""

import datetime
import functools
import json
import sys

try:
    import jinja2
    import jinja2.ext
    import jinja2.nodes
    import jinja2.sandbox
except ImportError:
    sys.exit(f"{sys.executable} has no jinja2: install it with `{sys.executable} -m pip install jinja2`")


class Generation(jinja2.ext.Extension):
    """The tag around what an assistant has written: its contents are rendered as they are."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@functools.lru_cache(maxsize=None)
def compiled(source, now):
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.datetime.fromisoformat(now).strftime
    return environment.from_string(source)


def answer(request):
    try:
        return {"text": compiled(request["template"], request["now"]).render(**request["variables"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
