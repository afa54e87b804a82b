<?php

/**
 * Drives the official Shardimage PHP SDK, unmodified: reads a JSON list of steps on standard input, prints the JSON
 * list of their outcomes. The argument is the folder that holds `shardimage-php/src` and `shardimage-php-api/src`.
 *
 * An outcome is `{"value": …}`, or `{"exception", "code", "status", "message"}` of what the SDK threw; what the SDK
 * returned as a failed response bears `"returned": true` besides. Anything on standard error is a failure of the test.
 */

declare(strict_types=1);

use shardimage\shardimagephp\auth\Client;
use shardimage\shardimagephp\builders\UploadBuilder;
use shardimage\shardimagephp\models\accesstoken\AccessToken;
use shardimage\shardimagephp\models\accesstoken\ImageUrlAccessToken;
use shardimage\shardimagephp\models\accesstoken\MixedShaPasswordHash;
use shardimage\shardimagephp\models\accesstoken\UploadAccessToken;
use shardimage\shardimagephpapi\api\Response;
use shardimage\shardimagephpapi\base\BaseObject;

// The SDK is older than this PHP; its deprecations say nothing about the service.
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
load_sdk($argv[1]);
$steps = json_decode(stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);
echo json_encode(array_map('outcome_of', $steps), JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";

function load_sdk(string $folder): void
{
    require_once 'GuzzleHttp/autoload.php';
    require_once 'Psr/Log/autoload.php';
    $roots = [
        'shardimage\\shardimagephp\\' => "$folder/shardimage-php/src/",
        'shardimage\\shardimagephpapi\\' => "$folder/shardimage-php-api/src/",
    ];
    spl_autoload_register(function (string $class) use ($roots): void {
        foreach ($roots as $prefix => $root) {
            $file = $root . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
            if (str_starts_with($class, $prefix) && is_file($file)) {
                require_once $file;
            }
        }
    });
}

/** One step with a client of its own, as a script of a user would have it. */
function outcome_of(array $step): array
{
    try {
        $client = new Client($step['client']);

        return $step['do'] === 'batch' ? ['value' => batch($client, $step['steps'])] : described(perform($client, $step));
    } catch (Throwable $thrown) {
        return failure($thrown);
    }
}

/** What the deferred steps came to, in their order. */
function batch(Client $client, array $steps): array
{
    $client->defer(true);
    $ids = array_map(fn (array $step) => perform($client, $step), $steps);
    $responses = $client->defer(false);

    return array_map(fn (string $id) => described($responses[$id]), $ids);
}

function perform(Client $client, array $step): mixed
{
    $tokens = $client->getAccessTokenService();
    $options = $step['options'] ?? [];

    return match ($step['do']) {
        'create' => $tokens->create(token($step['type'], $step['token']), $options),
        'view' => $tokens->view(token($step['type'], ['id' => $step['id']]), $options),
        'update' => $tokens->update(token($step['type'], $step['token']), $options),
        'edit' => edit($client, $step),
        'exists' => $tokens->exists($step['id'], $options),
        'revoke' => $tokens->revoke($step['id'], $options),
        'upload' => $client->getUploadService()->upload(upload($step)->withFilePath($step['path'])->build(), $options),
        'remote' => $client->getUploadService()->uploadRemote(upload($step)->withRemoteResource($step['resource'])->build(), $options),
        'sign' => $client->getUrlService()->create($step['image'], $options + ['security' => 'token']),
    };
}

/** The usual way to change a token: what was viewed is sent back with some members changed. */
function edit(Client $client, array $step): mixed
{
    $viewed = $client->getAccessTokenService()->view(token($step['type'], ['id' => $step['id']]));
    foreach ($step['changes'] as $name => $value) {
        $viewed->$name = $value;
    }
    foreach ($step['extra'] ?? [] as $name => $value) {
        $viewed->extra->$name = $value;
    }

    return $client->getAccessTokenService()->update($viewed);
}

function token(string $type, array $members): AccessToken
{
    foreach ($members['extra']['authentication'] ?? [] as $user => $password) {
        if (is_array($password)) {
            $members['extra']['authentication'][$user] = new MixedShaPasswordHash($password['msha1']);
        }
    }
    $class = ['imageUrl' => ImageUrlAccessToken::class, 'upload' => UploadAccessToken::class][$type];

    return new $class($members);
}

function upload(array $step): UploadBuilder
{
    $builder = (new UploadBuilder())->withCloudId($step['cloudId'])->withPublicId($step['publicId']);

    return isset($step['tags']) ? $builder->withTags($step['tags']) : $builder;
}

function described(mixed $result): array
{
    if ($result instanceof Response && $result->error !== null) {
        return failure($result->error->exception) + ['returned' => true];
    }

    return ['value' => $result instanceof BaseObject ? $result->toArray() : $result];
}

function failure(Throwable $thrown): array
{
    return [
        'exception' => (new ReflectionClass($thrown))->getShortName(),
        'code' => $thrown->getCode(),
        'status' => $thrown->statusCode ?? null,
        'message' => $thrown->getMessage(),
    ];
}
