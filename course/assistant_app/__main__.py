"""`python -m course.assistant_app shop.db`: the service on the loopback address."""

import click


@click.command()
@click.argument("shop", type=click.Path(dir_okay=False))
@click.option("--port", default=8010, show_default=True, help="Port on 127.0.0.1.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address.")
@click.option("--log", "log_path", default="assistant.db", help="Where requests go.")
@click.option(
    "--model/--no-model", default=True, help="Ask a model, or templates only."
)
def main(shop: str, port: int, host: str, log_path: str, model: bool) -> None:
    """Serve Lampa's assistant on the database SHOP; it is made if it is not there."""
    from pathlib import Path

    import uvicorn

    from course.assistant_app.brain import Brain
    from course.assistant_app.log import Log
    from course.assistant_app.service import make_app
    from course.llm import connect
    from course.shop import make_shop

    if not Path(shop).exists():
        make_shop(shop)
    brain = Brain(shop, connect() if model else None)
    click.echo(f"http://{host}:{port}/ with {brain.model}; stop it with Ctrl+C")
    uvicorn.run(
        make_app(brain, Log(log_path)), host=host, port=port, log_level="warning"
    )


if __name__ == "__main__":
    main()
