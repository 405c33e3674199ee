"""The two tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first."""

    initial = True
    operations = [
        migrations.CreateModel("Done", [("order", models.TextField(primary_key=True, serialize=False))]),
        migrations.CreateModel(
            "Booking",
            [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),
                ("order", models.TextField()),
            ],
        ),
    ]
